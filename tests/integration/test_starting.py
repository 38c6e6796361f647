"""Ways of starting an application, and what each honours."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fakes.building import Project, application, framework, runtime

APP = """
import json, multiprocessing, os, shutil, sys

def double(number):
    return 2 * number

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        doubled = pool.map(double, [1])
    try:
        import here
    except ImportError:
        here = None
    print(json.dumps({
        "arguments": sys.argv[1:], "name": os.path.basename(sys.argv[0]), "prefix": sys.prefix, "doubled": doubled,
        "python3": shutil.which("python3"), "native": shutil.which("native"), "sh": shutil.which("sh"),
        "here": here and here.where, "home": os.environ.get("PYTHONHOME"), "isolated": sys.flags.isolated,
    }))
"""
NATIVE = "#!/bin/sh\necho native\n"


def define(project: Project) -> None:
    project.wheel("programs", data={"scripts/native": NATIVE, "scripts/taken": NATIVE})
    project.write("app.py", APP)
    project.write("pkg/__main__.py", APP.replace("double, [1]", "abs, [-2]"))  # as Python does not load it again
    project.define(
        runtime("base"),
        framework("f", "programs"),
        application("app", on=["f"], entry_points=["nat*"]),
        application("alone", on=["f"], launch_module="pkg", isolated=True),
        application("taken", on=["f"], launch_module="app.py"),
    )


@cache
def built_project(root: Path) -> Project:
    """Build a stack that no test changes."""
    project = Project(root / "starting" / "a 'project'", root)
    define(project)
    project.build()
    return project


@pytest.fixture
def project(root: Path) -> Project:
    return built_project(root)


def start(argv: list[str | Path], **environ: str) -> tuple[dict[str, Any], str]:
    """Start an application in a folder with a module; give what it tells, and what it complains of."""
    variables = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told, done.stderr


def by_run(project: Project, name: str) -> list[str | Path]:
    return [sys.executable, "-m", "venvstacks", "run", "--from", project.built, name]


@pytest.mark.parametrize("way", ["run", "launcher", "link"])
@pytest.mark.parametrize("name", ["app", "alone"])
def test_ways_of_starting(project: Project, tmp_path: Path, way: str, name: str) -> None:
    layer = project.built / f"app-{name}"
    link = tmp_path / "other name"
    link.symlink_to(layer / "bin" / name)
    ways: dict[str, list[str | Path]] = {
        "run": by_run(project, name),
        "launcher": [layer / "bin" / name],
        "link": [link],
    }
    argv = ways[way]
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "here.py").write_text("where = 'PYTHONPATH'\n")
    home = {} if way == "run" else {"PYTHONHOME": "/opt/conda"}  # which would break this Python, too
    told, complaint = start([*argv, "a b", "--help"], PYTHONPATH=str(tmp_path / "path"), **home)
    is_isolated = name == "alone"
    assert told == {
        "arguments": ["a b", "--help"],
        "name": "__main__.py" if is_isolated else "app.py",
        "prefix": str(layer),
        "doubled": [2],
        "python3": str(layer / "bin" / "python3"),
        "native": str(layer / "bin" / "native"),
        "sh": "/usr/bin/sh",
        "here": None if is_isolated else "PYTHONPATH",
        "home": None,
        "isolated": int(is_isolated),
    }
    ignored = "PYTHONHOME is set, which is of no use to this program: it starts without it\n"
    assert complaint == (f"{Path(argv[0]).name}: {ignored}" if home else "")


def test_programs_below(project: Project) -> None:
    app = project.built / "app-app"
    assert os.readlink(app / "bin" / "native") == "../../framework-f/bin/native"  # noqa: PTH115
    (launcher,) = [path for path in (app / "bin").iterdir() if path.name == "app"]
    assert "'../../framework-f/bin', '../../base/bin'" in launcher.read_text()
    code = (
        "import subprocess, sysconfig; print(subprocess.check_output([sysconfig.get_path('scripts') + '/native']))"
    )
    done = subprocess.run([app / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "b'native\\n'\n"


def test_a_program_goes_before_the_launcher_of_an_application_of_its_name(project: Project) -> None:
    told = [message for message in project.warnings() if "launcher" in message]
    assert told == [
        "Application 'taken' has no launcher for its launch module: bin/taken belongs to a package in framework-f."
    ]
    assert (project.built / "app-taken" / "bin" / "taken").read_text() == NATIVE
    configuration = project.built / "app-alone" / "share" / "venv" / "metadata" / "venvstacks_layer.json"
    assert json.loads(configuration.read_text())["isolated"] is True
