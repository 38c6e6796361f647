"""Programs that answer as the interpreters of a machine do."""

import json
from pathlib import Path

ANSWER: dict[str, object] = {
    "implementation": "cpython",
    "freethreaded": False,
    "prefix": "/somewhere",
    "stdlib": "/somewhere/lib/python3.99",
    "platstdlib": "/somewhere/lib/python3.99",
    "include": "/somewhere/include/python3.99",
    "libpython": "",
    "framework": "",
}
NOBODY = {"PATH": "/nowhere", "HOME": "/nowhere"}


def fake(path: Path, release: str, **changes: object) -> Path:
    """Write a program that answers as an interpreter does, and notes that it was asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = json.dumps({**ANSWER, "release": release, "executable": str(path), **changes})
    path.write_text(f"#!/bin/sh\necho asked >> '{path}.log'\nprintf '%s\\n' '{answer}'\n")
    path.chmod(0o755)
    return path
