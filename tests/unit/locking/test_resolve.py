import tomllib
from pathlib import Path

import pytest

from fakes.definitions import define
from venvstacks.definition.stack import Layer, Stack
from venvstacks.locking.resolve import format_project, name_project
from venvstacks.options import Options
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.session import Session
from venvstacks.work import Work

PYTHON = PythonVersion("cpython", "3.12.7")


def _project(
    stack: Stack, layer: Layer, *, no_index: bool = False, assigned: tuple[str, ...] = ()
) -> dict[str, object]:
    session = Session(stack, Options(local_wheels=["local"], no_index=no_index), stack.folder, Work())
    text = format_project(session, layer, PYTHON, constraints=["low==1"], assigned=assigned)
    return tomllib.loads(text)


def test_the_project_that_uv_gets(tmp_path: Path) -> None:
    uv = {
        "index": [
            {"name": "main", "url": "https://index.example.invalid/simple", "default": True},
            {"name": "own", "url": "wheels", "format": "flat", "explicit": True},
        ],
        "sources": {"left": {"index": "own"}},
        "find-links": ["links", "~/links", "~no-such-user/links", "https://index.example.invalid/links"],
        "index-url": "http://[",
        "extra-index-url": ["../more", "https://index.example.invalid/more"],
        "constraint-dependencies": ["mine<2"],
        "environments": ["sys_platform == 'amiga'"],
        "cache-dir": "cache",
        "no-build": False,
    }
    runtime = {
        "platforms": ["win_amd64"],
        "requirements": ["one"],
        "package_indexes": {"Left_over": "own"},
        "priority_indexes": ["own"],
    }
    stack = define(tmp_path, runtimes=[runtime], uv=uv)
    found = _project(stack, stack.layers[0], assigned=("left-over",))
    assert found["project"] == {
        "name": "layer-py",
        "version": "0",
        "requires-python": "==3.12.*",
        "dependencies": ["one", "left-over ; platform_version == 'none of the targets'"],
    }
    settings = found["tool"]["uv"]  # type: ignore[index]
    assert settings["index"] == [
        {"name": "own", "url": str(tmp_path / "wheels"), "format": "flat"},
        {"name": "main", "url": "https://index.example.invalid/simple", "default": True},
    ]
    assert settings["sources"] == {"left": {"index": "own"}, "left-over": {"index": "own"}}
    assert settings["find-links"] == [
        str(tmp_path / "local"),
        str(tmp_path / "links"),
        str(Path("~/links").expanduser()),
        str(tmp_path / "~no-such-user/links"),
        "https://index.example.invalid/links",
    ]
    assert settings["index-url"] == "http://["  # uv says what is wrong with it
    assert settings["extra-index-url"] == [str(tmp_path / "../more"), "https://index.example.invalid/more"]
    assert settings["constraint-dependencies"] == ["mine<2", "low==1"]
    assert settings["environments"] == [
        (
            "sys_platform == 'win32' and platform_machine == 'AMD64' and python_full_version == '3.12.7'"
            " and implementation_name == 'cpython'"
        )
    ]
    assert settings.keys().isdisjoint({"cache-dir", "no-build"})
    without = _project(stack, stack.layers[0], no_index=True)["tool"]["uv"]  # type: ignore[index]
    assert without.keys().isdisjoint({"index", "sources", "index-url", "extra-index-url"})


def test_a_default_index_that_is_preferred_stays_the_last_as_well(tmp_path: Path) -> None:
    uv = {
        "index": [
            {"name": "b", "url": "https://b.example.invalid"},
            {"name": "a", "url": "https://a.example.invalid", "default": True},
        ]
    }
    stack = define(tmp_path, runtimes=[{"priority_indexes": ["a"]}], uv=uv)
    assert _project(stack, stack.layers[0])["tool"]["uv"]["index"] == [  # type: ignore[index]
        {"name": "a", "url": "https://a.example.invalid"},
        {"name": "b", "url": "https://b.example.invalid"},
        {"url": "https://a.example.invalid", "default": True},
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("numpy", "layer-numpy"), ("🐸", "layer"), ("a b🦎", "layer-a-b"), ("x.1_y", "layer-x.1_y")],
)
def test_names_of_projects(tmp_path: Path, name: str, expected: str) -> None:
    assert name_project(define(tmp_path, runtimes=[{"name": name}]).layers[0]) == expected
