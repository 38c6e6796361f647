from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fakes.built_layers import make_built_layer
from fakes.locks import make_lock
from venvstacks.building.build_state import Data
from venvstacks.building.data_links import DataLink, plan_data_links
from venvstacks.building.layer_build import LayerBuild, state_or_empty
from venvstacks.building.layer_layout import layer_layout
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS


def build_of(name: str, target: str, **configuration: object) -> LayerBuild:
    layer, lock = make_built_layer(Path(__file__).parent, name).layer, make_lock(name)
    on = Compatibility(TARGETS[target])
    layout = layer_layout(layer.kind, on.target, lock.python)
    return LayerBuild(layer, lock, (), on, Path(name), layout, configuration, {}, "")


def recorded(build: LayerBuild, data: Data) -> LayerBuild:
    return replace(build, state=msgspec.structs.replace(state_or_empty(build), data=data))


def data(*files: str, others: Collection[str] = ()) -> Data:
    return Data({path: f"hash of {path}" for path in files}, (*others,))


def shown(own: Data, *below: Data, target: str = "linux_x86_64") -> dict[str, DataLink]:
    """Plan with layers ``one`` and ``two`` below an application, in path order."""
    layers = [recorded(build_of(name, target), data) for name, data in zip(("one", "two"), below, strict=False)]
    return plan_data_links(recorded(build_of("app-a", target), own), layers)


def links(own: Data, *below: Data, target: str = "linux_x86_64") -> dict[str, str]:
    return {path: f"{item.layer}:{item.path}" for path, item in shown(own, *below, target=target).items()}


def test_nothing_below_shows_nothing() -> None:
    assert shown(data("share/x")) == {}
    assert shown(data("share/x"), data()) == {}


def test_one_link_is_enough_for_what_one_layer_brings() -> None:
    assert links(data(others=["share/venv"]), data("share/j/k/x", "share/j/y", "etc/z")) == {
        "etc": "one:etc",
        "share/j": "one:share/j",
    }


def test_folders_of_several_layers_are_merged_and_the_first_file_wins() -> None:
    assert links(data("share/j/own"), data("share/j/a/x", "share/j/f"), data("share/j/a/x", "share/j/a/y")) == {
        "share/j/a/x": "one:share/j/a/x",
        "share/j/a/y": "two:share/j/a/y",
        "share/j/f": "one:share/j/f",
    }


@pytest.mark.parametrize("own", [data("share/j"), data(others=["share/j"])])
def test_a_file_and_a_folder_of_one_name(own: Data) -> None:
    assert links(own, data("share/j/x")) == {}
    assert links(data("share/j/x"), data("share/j")) == {}
    assert links(data("share/x"), data("share/j"), data("share/j/x")) == {"share/j": "one:share/j"}


def test_what_is_no_packages_is_not_shown() -> None:
    base = data("share/man/man1/tool.1", "share/doc/x", others=["share/man/man1/python.1", "share/terminfo"])
    assert links(data(others=["share/venv"]), base) == {
        "share/doc": "one:share/doc",
        "share/man/man1/tool.1": "one:share/man/man1/tool.1",
    }
    lower = data("share/terminfo/x")
    assert links(data(), base, lower)["share/terminfo"] == "two:share/terminfo", "and hides nothing"


def test_interpreters_are_the_layers_own() -> None:
    own = data(others=["bin/python", "bin/tool"])
    names = ("bin/python3", "bin/python3.14t", "bin/python-config", "bin/tool", "bin/ninja")
    assert links(own, data(*names)) == {"bin/python-config": "one:bin/python-config", "bin/ninja": "one:bin/ninja"}


def test_where_case_does_not_count() -> None:
    own, lower = data("share/Tool/x"), data("share/tool/X", "share/tool/y")
    assert links(own, lower) == {"share/tool": "one:share/tool"}
    assert links(own, lower, target="macosx_arm64") == {"share/Tool/y": "one:share/tool/y"}


def test_same_data_of_layers_that_stand_for_each_other_is_copied() -> None:
    one = Data({"share/j/same": "1", "share/j/other": "2", "share/only": "3", "bin/tool": "4"})
    two = Data({"share/j/same": "1", "share/j/other": "5", "bin/tool": "4"})
    layers = [recorded(build_of(name, "linux_x86_64"), data) for name, data in (("one", one), ("two", two))]
    app = build_of("app-a", "linux_x86_64", optional_layers={"one": {}, "two": {}})
    assert plan_data_links(app, layers) == {
        "bin/tool": DataLink("one", "bin/tool"),
        "share/j/other": DataLink("one", "share/j/other"),
        "share/j/same": DataLink("one", "share/j/same", "1"),
        "share/only": DataLink("one", "share/only"),
    }


def test_data_is_copied_on_windows_and_programs_are_not() -> None:
    assert shown(data(), data("share/j/x", "Scripts/ninja.exe"), target="win_amd64") == {
        "share/j/x": DataLink("one", "share/j/x", "hash of share/j/x")
    }
