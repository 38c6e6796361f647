"""``show --libraries`` and ``why``, on layers that were built."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import venvstacks
from fakes.building import SITE, Project, application, framework, runtime
from fakes.c_wheels import Compiler, library_wheel
from fakes.pythons import host
from venvstacks.cli.app import cli
from venvstacks.cli.report_trees import draw_libraries
from venvstacks.definition.loading import load_stack


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Project:
    project = Project(tmp_path_factory.mktemp("reports") / "project", root)
    compiler, wheels = Compiler(project.folder / "cc"), project.folder / "wheels"
    one = compiler.library("one", 1)
    library_wheel(wheels, "one", {"lib/libone.so.1": one})
    two = {"libtwo.so.1": compiler.library("two", 10, ["one"]), "libone.so.1": compiler.library("one", 5)}
    library_wheel(wheels, "two", two, requires=["middle[fast]"])
    project.wheel("middle", requires=["one; extra == 'fast'", "missing; extra == 'slow'"], provides_extra=["fast"])
    library_wheel(wheels, "fast", {"fast.so": compiler.extension("fast", 100, ["two"])}, requires=["two>=1"])
    project.define(
        runtime(platforms=[host().target.name]),
        framework("a", "one"),
        framework("b", "two", on=["a"]),
        application("app", "fast", on=["b"]),
        application("later", "fast", on=["b"]),
    )
    project.lock()
    project.build(include=["app-app"], lock=False)
    return project


def said(*arguments: str) -> str:
    done = CliRunner().invoke(cli, [*arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_who_needs_what_from_where(project: Project) -> None:
    spec = str(project.folder / "venvstacks.toml")
    text = said("show", "--libraries", "framework-b", spec)
    assert text.splitlines() == [
        "framework-b",
        f"    {SITE}/two/libtwo.so.1  (two 1)",
        f"        libone.so.1 <- framework-b: {SITE}/two/libone.so.1  (hides that of framework-a)",
        *(["        libc.so.6 <- system"] if "libc.so.6" in text else []),
        "    offers",
        f"        libone.so.1 -> {SITE}/two/libone.so.1  (hides that of framework-a)",
        f"        libtwo.so.1 -> {SITE}/two/libtwo.so.1",
    ]
    everything = said("show", spec, "--libraries")
    assert "app-later  (not built)" in everything
    assert "with needs that the system meets" in everything
    assert f"libtwo.so.1 <- framework-b: {SITE}/two/libtwo.so.1" in everything
    assert said("show", "--libraries", spec) == everything
    assert len(said("show", "-v", "--libraries", spec)) > len(everything)


def test_the_same_as_data(project: Project) -> None:
    spec = str(project.folder / "venvstacks.toml")
    data = json.loads(said("show", "--libraries", "app-*", "--json", spec))
    app, later = data["layers"]
    assert (app["name"], app["platform"], app["is_built"]) == ("app-app", host().target.name, True)
    (file,) = app["files"]
    assert file["file"] == f"{SITE}/fast/fast.so"
    assert file["package"] == "fast 1"
    assert {
        "library": "libtwo.so.1",
        "source": "below",
        "layer": "framework-b",
        "file": f"{SITE}/two/libtwo.so.1",
        "hides": [],
    } in file["needs"]
    assert file["added_search"] == ["$ORIGIN/../../../../../framework-b/share/venv/dynlib"]
    assert later == {"name": "app-later", "platform": host().target.name, "is_built": False}


def test_a_layer_that_there_is_not(project: Project) -> None:
    done = CliRunner().invoke(cli, ["show", "--libraries", "nothing", str(project.folder / "venvstacks.toml")])
    assert "No layer's build name matches 'nothing'" in str(done.exception)


def test_why_a_package_is_there(project: Project) -> None:
    spec = str(project.folder / "venvstacks.toml")
    lines = said("why", "One", spec).splitlines()
    assert lines[0] == "One"
    assert lines[1].startswith("    framework-a  1, ")
    assert lines[1].endswith(" kB")
    assert lines[2:] == [
        "        one",
        "    framework-b  1, from framework-a",
        "        two -> middle[fast] -> one",
        "    app-app  1, from framework-a",
        "        fast -> two>=1 -> middle[fast] -> one",
        "    app-later  1, from framework-a",
    ]


def test_the_bytes_are_those_of_the_files(project: Project) -> None:
    spec = str(project.folder / "venvstacks.toml")
    data = json.loads(said("why", "fast", "--json", spec))
    app, later = data["layers"]
    site = project.site("app-app")
    owned = [path for folder in (site / "fast", *site.glob("fast-*.dist-info")) for path in folder.rglob("*")]
    assert app["bytes"] == sum(path.stat().st_size for path in owned)
    assert (app["chain"], app["provider"]) == (["fast"], None)
    assert (later["chain"], later["bytes"]) == (None, None)


def test_a_package_that_nobody_has(project: Project) -> None:
    spec = project.folder / "venvstacks.toml"
    done = CliRunner().invoke(cli, ["why", "nothing", str(spec)])
    assert "No layer of venvstacks.toml has the package 'nothing'" in str(done.exception)
    assert json.loads(said("why", "nothing", "--json", str(spec))) == {"layers": [], "package": "nothing"}
    assert venvstacks.why(load_stack(Path(spec)), "nothing") == ()


def test_a_variable_that_hides_a_library_is_told(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "libtwo.so.1"
    other.touch()
    stack = load_stack(project.folder / "venvstacks.toml")
    environ = {"LD_LIBRARY_PATH": f"/nowhere::{tmp_path}"}
    options = venvstacks.Options(environ=environ)
    (app,) = venvstacks.shared_libraries(stack, include=["app-app"], options=options)
    assert app.hidden == {"libtwo.so.1": str(other)}
    assert app.as_json()["hidden_by_environment"] == {"libtwo.so.1": str(other)}
    lines = list(draw_libraries([app], everything=False))
    assert f"    libtwo.so.1 is hidden by {other} in this environment" in lines
    (app,) = venvstacks.shared_libraries(stack, include=["app-app"], options=venvstacks.Options(environ={}))
    assert not app.hidden
