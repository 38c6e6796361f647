"""Layers do not depend on the Python that runs venvstacks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.building import Project, application, runtime
from fakes.pythons import tree
from venvstacks.building import schemes


def other_python() -> tuple[str, str]:
    """Find another Python on this machine than the one that runs the tests: its program and version."""
    candidates = [*Path(sys.base_prefix).parent.glob("*/bin/python3"), Path("/usr/bin/python3")]
    code = "import json, os, sys; print(json.dumps([os.path.realpath(sys.executable), sys.version_info[:2]]))"
    found = {}
    for candidate in filter(Path.is_file, candidates):
        done = subprocess.run([candidate, "-c", code], capture_output=True, check=True)
        program, version = json.loads(done.stdout)
        found[tuple(version)] = program
    others = [version for version in found if (3, 11) <= version != sys.version_info[:2]]
    if not others:
        pytest.fail("this test needs a second Python, from 3.11 on: as `pyenv install` makes, or the system's")
    return found[max(others)], ".".join(map(str, max(others)))


def test_packages_are_installed_the_same_by_every_python(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path / "project", root)
    commands = {"console_scripts": {"pip": "pip:main", "pip3": "pip:main", "pip3.12": "pip:main"}}
    project.wheel("pip", entry_points=commands)
    data = {
        "scripts/tool": "#!python\nprint()\n",
        "scripts/pip3.9": "#!/bin/sh\n",
        "headers/tool.h": "int tool;\n",
        "data/share/tool": "data",
        "purelib/pure.py": "",
        "platlib/plat.py": "",
    }
    project.wheel("tool", data=data)
    project.define(runtime("base", "pip"), application("app", "tool", entry_points=["pip*"]))
    project.build()
    shutil.move(project.built, tmp_path / "first")
    program, minor = other_python()
    monkeypatch.setattr(schemes, "HOST_PROGRAM", program)
    monkeypatch.setattr(schemes, "HOST_MINOR", minor)
    project.build()
    assert project.changed() == ["app-app", "base"]
    state = {".venvstacks-build.json"}
    for layer in ("app-app", "base"):
        first, second = (tree(folder / layer) for folder in (tmp_path / "first", project.built))
        assert {**first, **dict.fromkeys(state)} == {**second, **dict.fromkeys(state)}
    programs = {path.name for path in (project.built / "base" / "bin").iterdir() if "pip" in path.name}
    assert programs == set(), "of what uv writes for entry points, nothing is shipped"
    programs = {path.name for path in (project.built / "app-app" / "bin").iterdir() if "pip" in path.name}
    assert programs == {"pip", "pip3", "pip3.9", "pip3.12"}
