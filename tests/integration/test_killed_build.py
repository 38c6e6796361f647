"""A build that is killed at any change to the file system, and then run again."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import killed_build
from fakes.building import SITE, Project, application, framework, runtime
from fakes.pythons import own_python, tree

POINTS = 5


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Define a stack on a runtime of few files, lock and build it."""
    base = tmp_path / "small-runtime"
    (base / SITE).mkdir(parents=True)
    (base / "bin").mkdir()
    (base / "bin" / "python").write_text("")
    project = Project(tmp_path / "project", tmp_path)
    project.wheel("alpha", entry_points={"console_scripts": {"alpha": "alpha:main"}})
    project.wheel("beta", files={"beta/__init__.py": "", "sitecustomize.py": ""})
    define(project, "one")
    return project


def define(project: Project, text: str) -> None:
    project.write("app.py", f"print({text!r})\n")
    project.define(
        runtime(versioned=True),
        framework("one", "alpha", *(["beta"] if text == "two" else []), versioned=True),
        application("app", "beta", on=["one"]),
    )
    project.lock()


def build(project: Project, change: int = 0) -> int:
    """Build in a process of its own; give how many changes it made, or 0 if it was killed."""
    arguments: list[str | Path] = [killed_build.__file__, project.folder, project.root, str(change)]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if change:
        assert done.returncode == -signal.SIGKILL, done.stderr
        return 0
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def content(project: Project) -> dict[str, tuple[str, bool]]:
    found = tree(project.built)
    state = [name for name in found if name.endswith(".venvstacks-build.json")]
    for name in state:
        found[name] = (json.loads((project.built / name).read_text())["inputs_hash"], False)
    return {name: value for name, value in found.items() if not name.startswith(".venvstacks/")}


def kill_everywhere(project: Project, undo: Callable[[], None], changes: int, expected: object) -> None:
    points = [1 + (changes - 1) * point // (POINTS - 1) for point in range(POINTS)]
    for point in points:
        undo()
        build(project, point)
        build(project)
        assert content(project) == expected, point


def test_a_killed_first_build_is_redone(project: Project) -> None:
    changes = build(project)
    expected = content(project)
    assert changes > POINTS
    assert own_python().lib_name in str(expected)
    kill_everywhere(project, lambda: shutil.rmtree(project.built), changes, expected)


def test_a_killed_second_build_is_redone(project: Project, tmp_path: Path) -> None:
    build(project)
    shutil.copytree(project.built, tmp_path / "old", symlinks=True)
    define(project, "two")

    def undo() -> None:
        shutil.rmtree(project.built)
        shutil.copytree(tmp_path / "old", project.built, symlinks=True)

    changes = build(project)
    expected = content(project)
    kill_everywhere(project, undo, changes, expected)
