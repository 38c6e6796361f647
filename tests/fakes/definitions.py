"""Definition files, written from plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit

from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Stack

Table = Mapping[str, Any]

LINUX = ["linux_x86_64"]
RUNTIME = {"name": "py", "python_implementation": "cpython@3.12.7", "requirements": []}


def define(
    folder: Path,
    *,
    runtimes: Sequence[Table] = (RUNTIME,),
    frameworks: Sequence[Table] = (),
    applications: Sequence[Table] = (),
    uv: Table | None = None,
) -> Stack:
    """Write ``venvstacks.toml`` into a folder and load it; ``tool.uv`` is left out if not given.

    Layers without what every layer needs get it: no requirements, the runtime ``py``, and for applications a
    launch module named after the layer, which is written if it does not exist.
    """
    document: dict[str, Any] = {
        "runtimes": [{**RUNTIME, **layer} for layer in runtimes],
        "frameworks": [_layered(layer) for layer in frameworks],
        "applications": [{"launch_module": "app.py", **_layered(layer)} for layer in applications],
    }
    if uv is not None:
        document["tool"] = {"uv": uv}
    return load_stack(write_definition(folder, document), environ={})


def write_definition(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write a definition, and the launch modules that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for application in document.get("applications", ()):
        module = folder / application["launch_module"]
        if not module.exists():
            module.parent.mkdir(parents=True, exist_ok=True)
            module.write_text("print(__name__)\n", encoding="utf-8")
    path = folder / "venvstacks.toml"
    path.write_text(tomlkit.dumps(document), encoding="utf-8")
    return path


def _layered(layer: Table) -> dict[str, Any]:
    foundation = {} if "frameworks" in layer or "runtime" in layer else {"runtime": "py"}
    return {"requirements": [], **foundation, **layer}
