from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fakes.built_layers import make_built_layer, make_tree
from fakes.locks import make_lock
from venvstacks.building.build_state import Part
from venvstacks.building.installed import read_installed
from venvstacks.building.layer_build import LayerBuild, state_or_empty
from venvstacks.building.layer_layout import layer_layout
from venvstacks.building.split_packages import Clash, parts_of, plan_joining
from venvstacks.entries import scan
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

Parts = Mapping[str, Part]

SITE = "lib/python3.12/site-packages"


def build_of(name: str) -> LayerBuild:
    layer, lock = make_built_layer(Path(__file__).parent, name).layer, make_lock(name)
    layout = layer_layout(layer.kind, TARGETS["linux_x86_64"], lock.python)
    return LayerBuild(layer, lock, (), Compatibility(TARGETS["linux_x86_64"]), Path(name), layout, {}, {}, "")


def joined(*path: Parts) -> tuple[dict[str, tuple[str, ...]], list[Clash]]:
    """Plan for an application above layers ``one``, ``two`` ..."""
    builds = [build_of(name) for name in ("app-a", "one", "two", "three")]
    build, *below = (
        replace(build, state=msgspec.structs.replace(state_or_empty(build), parts=parts))
        for build, parts in zip(builds, path, strict=False)
    )
    return plan_joining(build, below)


def folders(*path: Parts) -> dict[str, list[str]]:
    """Return the layers that packages are found in."""
    found, clashes = joined(*path)
    assert not clashes
    assert all(
        folder.endswith(f"{SITE}/{name.replace('.', '/')}") for name, names in found.items() for folder in names
    )
    return {name: [folder.partition(f"{SITE}")[0] for folder in names] for name, names in found.items()}


def part(init: str | None, *owners: str) -> Part:
    return Part(init, owners)


@pytest.mark.parametrize(
    ("upper", "lower", "runs"),
    [
        ("", "", "../one/"),
        ("#", "#", "../one/"),
        ("", "#", "../one/"),
        ("#", "", ""),
        (None, "#", "../one/"),
        ("", None, ""),
    ],
)
def test_parts_that_go_together(upper: str | None, lower: str | None, runs: str) -> None:
    assert folders({"p": part(upper, "a")}, {"p": part(lower, "b")}) == {"p": [runs, "", "../one/"]}


def test_python_finds_parts_without_init_by_itself() -> None:
    assert folders({"p": part(None, "a")}, {"p": part(None, "b")}) == {}
    assert folders({"p": part(None, "a"), "p.q": part("", "a")}, {"p": part(None, "b"), "p.q": part("", "b")}) == {
        "p.q": ["../one/", "", "../one/"]
    }


def test_another_version_of_a_distribution_stays_hidden() -> None:
    assert folders({"p": part("", "a")}, {"p": part("", "a")}) == {}
    assert folders({"p": part("", "a", "b")}, {"p": part("", "a")}) == {}
    assert folders({"p": part("#1", "a")}, {"p": part("#2", "a")}) == {}


def test_what_lies_in_hidden_parts_is_hidden() -> None:
    inner = {"p": part("", "a"), "p.q": part("", "a")}
    assert folders(inner, inner) == {}
    assert folders({}, {"p": part("", "a")}) == {}


def test_three_layers() -> None:
    path = [{"p": part("", name), "p.q": part("", name)} for name in "abc"]
    assert folders({}, *path) == {
        "p": ["../three/", "../one/", "../two/", "../three/"],
        "p.q": ["../three/", "../one/", "../two/", "../three/"],
    }
    assert folders({}, path[0], path[0], path[2])["p"] == ["../three/", "../one/", "../three/"]


def test_parts_that_contradict_each_other() -> None:
    assert joined({}, {"p": part("#1", "a")}, {"p": part("#2", "b")}) == ({}, [("p", 1, 2)])
    found, clashes = joined({"p": part("", "a")}, {"p": part("#1", "b")}, {"p": part("#2", "c")})
    assert (len(found["p"]), clashes) == (3, [("p", 0, 2)])


def test_parts_are_read_from_records(tmp_path: Path) -> None:
    files = {
        "plain/__init__.py": "",
        "plain/inner/__init__.py": "# a licence\n\n",
        "plain/inner/more/module.py": "",
        "code/__init__.py": "name = 1\n",
        "code/inner/__init__.py": "",
        "old/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        "space/module.py": "",
        "not-a-name/module.py": "",
        "module.py": "",
    }
    record = "".join(f"{name},,\n" for name in files)
    installed = {**files, "own/__init__.py": "", "Some_Thing-1.dist-info/RECORD": record}
    make_tree(tmp_path / SITE, {name: text.encode() for name, text in installed.items()})
    found = parts_of(build_of("framework-one"), read_installed(tmp_path, SITE), scan(tmp_path), tmp_path)
    code = found.pop("code")
    assert code.init
    assert {name: each.init for name, each in found.items()} == {
        **dict.fromkeys(("plain", "plain.inner"), ""),
        **dict.fromkeys(("plain.inner.more", "old", "space")),
    }
    assert {each.owners for each in (code, *found.values())} == {("some-thing",)}
