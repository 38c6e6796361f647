"""Launchers of packages' commands, in layers built through uv from small wheels."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import venvstacks
from fakes.building import SITE, Project, application, framework, output, run, runtime
from fakes.foreign_pythons import list_of_all
from fakes.pythons import tree
from venvstacks.errors import BuildError

TELL = """
import json, multiprocessing, sys

def main():
    if sys.argv[1:] == ["fail"]:
        return "no luck"
    print(json.dumps([sys.argv, sys.prefix, sys.executable, sys.path]))
    return 3 if "three" in sys.argv else None

class Group:
    @staticmethod
    def run():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(abs, [-1, -2]))
"""


def fill(project: Project) -> None:
    """Make wheels that offer commands: two for the layers below, and one for the application itself."""
    console = {"low-tool": "low:main [an_extra]", "both": "low:main"}
    project.wheel("low", files={"low.py": TELL}, entry_points={"console_scripts": console})
    console = {"middle": "middle:Group.run", "both": "middle:main", "low-tool.alias": "low : main"}
    project.wheel("middle", requires=["low"], files={"middle.py": TELL}, entry_points={"console_scripts": console})
    groups = {
        "console_scripts": {"top": "top:main"},
        "gui_scripts": {"top-gui": "top:main"},
        "top.plugins": {"x": "top"},
    }
    data = {"scripts/json.py": "raise SystemError\n"}  # would hide a module if it were on the path
    project.wheel("top", requires=["middle"], files={"top.py": TELL}, entry_points=groups, data=data)


def define(project: Project, **fields: object) -> None:
    project.define(runtime("base", "low"), framework("f", "middle"), application("app", "top", on=["f"], **fields))


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    project = Project(tmp_path / "a project", root)
    fill(project)
    return project


@cache
def built_stack(root: Path) -> Path:
    """Build a stack that no test changes, and export it."""
    project = Project(root / "commands" / "a 🐸 project", root)
    fill(project)
    define(project, entry_points=["both", "low-tool", "low-tool.alias", "middle", "top", "top-gui"])
    project.build()
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    venvstacks.export(stack, options=project.options())
    return project.folder / "_export"


@pytest.fixture
def stack(root: Path) -> Path:
    return built_stack(root)


def programs(layer: Path) -> set[str]:
    return {path.name for path in (layer / "bin").iterdir()} - {
        *("python", "python3", f"python3.{sys.version_info.minor}", "app")
    }


def told(program: Path, *arguments: str) -> list[object]:
    found: list[object] = json.loads(output(program, *arguments, PYTHONDONTWRITEBYTECODE="1"))
    return found


def works(app: Path, called: Path | None = None) -> None:
    called = called or app / "bin" / "top"
    arguments = ["a b", 'say "hi"', "it's", "", "$HOME", "-V", "*", "\n"]
    argv, prefix, executable, path = told(called, *arguments)
    assert argv == [str(called), *arguments]
    assert (prefix, executable) == (str(app), str(app / "bin" / "python"))
    assert isinstance(path, list)
    assert path[-3:] == [str(app.parent / layer / SITE) for layer in ("app-app", "framework-f", "base")]


def test_named_commands_come_from_the_layer_and_from_those_below(stack: Path) -> None:
    app = stack / "app-app"
    assert programs(app) == {"json.py", "both", "low-tool", "low-tool.alias", "middle", "top", "top-gui"}
    for name in programs(app) - {"middle", "json.py"}:
        path = app / "bin" / name
        assert os.access(path, os.X_OK)
        assert told(path)[:3] == [[str(path)], str(app), str(app / "bin" / "python")]
    assert "from middle import main" in (app / "bin" / "both").read_text(), "the nearest layer counts"
    assert programs(stack / "framework-f") == programs(stack / "base") == set()


def test_arguments_arrive_as_they_were_given(stack: Path) -> None:
    works(stack / "app-app")


def test_links_and_relative_paths_lead_to_the_layer(stack: Path, tmp_path: Path) -> None:
    app = stack / "app-app"
    (tmp_path / "first link").symlink_to(app / "bin" / "top")
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "second"
    link.symlink_to("../first link")
    works(app, link)
    done = subprocess.run(
        ["sh", "-c", 'cd "$0" && ./top x && PATH=$PWD:$PATH && cd / && top y', app / "bin"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    here, found = (json.loads(line) for line in done.stdout.splitlines())
    assert here[:2] == [["./top", "x"], str(app)]
    assert found[:2] == [[str(app / "bin" / "top"), "y"], str(app)]


@pytest.fixture
def moved(stack: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a copy in another place that nobody can write to."""
    place = tmp_path / "another place: 'quoted' & \"so\" $HOME"
    shutil.copytree(stack, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    folders = [place, *(path for path in place.rglob("*") if path.is_dir() and not path.is_symlink())]
    for folder in folders:
        folder.chmod(0o555)
    yield place
    for folder in folders:
        folder.chmod(0o755)


def test_they_run_after_a_move_from_a_read_only_folder(moved: Path) -> None:
    before = tree(moved)
    works(moved / "app-app")
    assert output(moved / "app-app" / "bin" / "middle", PYTHONDONTWRITEBYTECODE="1") == "[1, 2]"
    assert tree(moved) == before


def test_status_and_message_are_the_commands_own(stack: Path) -> None:
    program = stack / "app-app" / "bin" / "top"
    assert run(program, "three").returncode == 3
    done = run(program, "fail")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "no luck\n")


def test_worker_processes_start(stack: Path) -> None:
    assert "spawn" in multiprocessing.get_all_start_methods()
    assert output(stack / "app-app" / "bin" / "middle") == "[1, 2]"


def test_what_lies_beside_a_launcher_hides_nothing(stack: Path) -> None:
    assert (stack / "app-app" / "bin" / "json.py").is_file()
    path = told(stack / "app-app" / "bin" / "top")[3]
    assert isinstance(path, list)
    assert str(stack / "app-app" / "bin") not in path


def test_all_commands_are_those_of_the_layers_own_packages(project: Project) -> None:
    define(project, entry_points=True)
    project.build()
    assert programs(project.built / "app-app") == {"json.py", "top", "top-gui"}
    record = (project.site("app-app") / "top-1.dist-info" / "RECORD").read_text()
    assert "bin/json.py" in record
    assert "bin/top" not in record
    define(project, entry_points=False)
    project.build()
    assert project.changed() == ["app-app"]
    assert programs(project.built / "app-app") == {"json.py"}


def test_launchers_follow_the_packages_below(project: Project) -> None:
    define(project, entry_points=["both"])
    project.build()
    launcher = project.built / "app-app" / "bin" / "both"
    assert output(launcher, "x")
    project.build()
    assert project.changed() == []
    same = {"console_scripts": {"both": "low:main", "new": "low:main"}}
    project.wheel("low", "2", files={"low.py": TELL}, entry_points=same)
    project.lock(reset=["base"])
    project.build()
    assert project.changed() == ["base"], "what is offered is the same"
    points = {"console_scripts": {"both": "middle:Group.run"}}
    project.wheel("middle", "2", requires=["low"], files={"middle.py": TELL}, entry_points=points)
    project.lock(reset=["framework-f"])
    project.build(jobs=4)
    assert project.changed() == ["app-app", "framework-f"]
    assert output(launcher) == "[1, 2]"
    project.define(
        runtime("base", "low"),
        framework("f", "middle", exclude_packages=["middle"]),
        application("app", "top", on=["f"], entry_points=["both"], exclude_packages=["middle"]),
    )
    project.build()
    assert "from low import main" in launcher.read_text()


def test_builds_are_the_same_everywhere(project: Project, stack: Path) -> None:
    define(project, entry_points=["top", "both"])
    project.build()
    for name in ("top", "both"):
        assert (project.built / "app-app" / "bin" / name).read_bytes() == (
            stack / "app-app" / "bin" / name
        ).read_bytes()


def test_launchers_for_all_platforms_are_made_on_one_machine(project: Project) -> None:
    project.policy = "never"
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(project.folder / "pythons", project.root)
    newer = {"linux_target": "glibc@2.36"}  # this machine's own Python stands in for a managed one
    project.wheel("heavy")
    project.wheel(
        "middle", "2", requires=["low", "heavy"], entry_points={"gui_scripts": {"middle": "middle:main"}}
    )
    project.define(
        runtime("base", "low", **newer),
        framework("f", "middle", exclude_packages=["heavy"], **newer),
        application("app", "top", on=["f"], entry_points=["low-tool", "middle", "top"], **newer),
    )
    project.lock()
    stack = venvstacks.load_stack(project.folder / "venvstacks.toml")
    built = venvstacks.build(stack, platforms=["all"], options=project.options())
    launchers: dict[str, set[bytes]] = {}
    for layer in built:
        names = {package.name for package in layer.excluded}
        assert names == ({"heavy"} if layer.layer.name == "f" else set()), layer.target.name
        if layer.layer.name != "app":
            continue
        folder, ending = ("Scripts", ".exe") if layer.target.is_windows else ("bin", "")
        kind = layer.target.name if layer.target.is_windows else "posix"
        for name in ("low-tool", "middle", "top"):
            (entry,) = (each for each in layer.entries if each.path == f"{folder}/{name}{ending}")
            assert entry.executable
            launchers.setdefault(f"{kind} {name}", set()).add((layer.folder / entry.path).read_bytes())
    assert len(launchers) == 9
    assert all(len(contents) == 1 for contents in launchers.values())
    (graphical,) = launchers["win_arm64 middle"]
    assert b"pythonw.exe" in graphical


def test_an_unknown_command_is_an_error_that_helps(project: Project) -> None:
    define(project, entry_points=["top", "lowtool", "zzz"])
    with pytest.raises(BuildError) as caught:
        project.build()
    assert (
        "asks for launchers of 'lowtool', 'zzz', but its packages and those of the layers below"
        in caught.value.message
    )
    assert caught.value.message.startswith("Application 'app' for linux_")
    assert caught.value.hint == (
        "did you mean 'low-tool'? there are: 'both', 'json.py', 'low-tool', 'low-tool.alias', 'middle', 'top', "
        "'top-gui'"
    )
    assert not (project.built / "app-app").exists()
    assert (project.built / "framework-f").exists()


def test_nothing_is_offered(project: Project) -> None:
    project.wheel("plain")
    project.define(runtime(), application("app", "plain", entry_points=["tool"]))
    with pytest.raises(BuildError, match="they offer none at all"):
        project.build()
    project.define(runtime(), application("app", "plain", entry_points=True))
    project.build()
    assert project.warnings() == [
        "Application 'app' has entry_points = true, but its own packages offer no command."
    ]


def test_a_packages_own_program_is_not_overwritten(project: Project) -> None:
    project.wheel("other", data={"scripts/top": "#!/bin/sh\necho other\n"})
    project.define(
        runtime("base", "low"),
        framework("f", "middle"),
        application("app", "top", "other", on=["f"], entry_points=["top"]),
    )
    with pytest.raises(BuildError) as caught:
        project.build()
    assert caught.value.message == (
        "Application 'app' cannot have a launcher of 'top': a package brings the program bin/top."
    )
