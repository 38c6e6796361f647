"""File names beyond ASCII are UTF-8, whatever the locale says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_DEFINITION = """
[[runtimes]]
name = "base"
python_implementation = "cpython@3.12.10"
requirements = []

[[applications]]
name = "app"
runtime = "base"
launch_module = "größe.py"
support_modules = ["日本.py"]
requirements = []
"""


def _run(folder: Path, *arguments: str, options: tuple[str, ...] = (), **environ: str) -> tuple[int, bytes, bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, *options, "-m", "venvstacks", *arguments],
        cwd=folder,
        env={**kept, **environ},
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("options", [("-X", "utf8=0"), ("-Xutf8=0",)])
def test_names_are_utf8_in_every_locale(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "venvstacks.toml").write_text(_DEFINITION, encoding="utf-8")
    for name in ("größe.py", "日本.py"):
        (tmp_path / name).touch()
    expected = _run(tmp_path, "show", "--json", LC_ALL="C.UTF-8")
    assert expected[0] == 0, expected
    found = _run(tmp_path, "show", "--json", options=options, LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert found == expected
    # whether text can be written as it is, is the stream's concern; it never ends in an error
    narrow = _run(tmp_path, "show", options=options, LC_ALL="C", PYTHONIOENCODING="ascii:strict")
    assert narrow[0] == 0, narrow
