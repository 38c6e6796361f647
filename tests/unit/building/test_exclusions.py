from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from fakes.built_layers import make_built_layer
from fakes.locks import make_lock, make_package
from venvstacks.building.exclusions import (
    ExcludedPackage,
    excluded_packages,
    idle_exclusions,
    installed_wheels,
    saving_text,
)
from venvstacks.definition.stack import Layer
from venvstacks.locking.layer_lock import LayerLock, LockedPackage
from venvstacks.platforms.targets import TARGETS

LINUX, WINDOWS = TARGETS["linux_x86_64"], TARGETS["win_amd64"]


def layer(name: str, *excluded: str) -> Layer:
    return replace(make_built_layer(Path(), name).layer, exclude_packages=excluded)


def local(name: str, **changes: str | int | None) -> LockedPackage:
    package = make_package(name)
    values = {"url": None, "path": f"../wheels/{name}.whl", "size": None, **changes}
    wheels = {target: replace(wheel, **values) for target, wheel in package.wheels.items()}  # type: ignore[arg-type]
    return replace(package, wheels=wheels)


def test_what_is_excluded_is_not_installed() -> None:
    lock = make_lock(
        "app-a", make_package("one"), make_package("two"), make_package("three", targets=["win_amd64"])
    )
    names = {
        target: [package.name for package, _ in installed_wheels(layer("app-a", "one", "three"), lock, target)]
        for target in (LINUX, WINDOWS)
    }
    assert names == {LINUX: ["two"], WINDOWS: ["two"]}
    assert [package.name for package, _ in lock.wheels_on(LINUX)] == ["one", "two"]


def test_only_what_the_lock_has_for_the_target_is_told(tmp_path: Path) -> None:
    lock = make_lock("app-a", make_package("one", "2.5"), make_package("two", targets=["win_amd64"]))
    excluded = layer("app-a", "one", "other", "two")
    (one,) = excluded_packages(excluded, lock, LINUX, tmp_path)
    assert one == ExcludedPackage("one", Version("2.5"), "one-2.5-py3-none-any.whl", 100)
    assert [each.name for each in excluded_packages(excluded, lock, WINDOWS, tmp_path)] == ["one", "two"]


def test_the_file_tells_the_size_of_a_local_wheel(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "one.whl").write_bytes(b"12345")
    lock = make_lock("app-a", local("one"), local("two"), local("three", size=7))
    found = excluded_packages(layer("app-a", "one", "three", "two"), lock, LINUX, tmp_path / "lock")
    assert {each.name: each.size for each in found} == {"one": 5, "two": None, "three": 7}


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ([], ""),
        ([100], "1 excluded (saves 100 bytes)"),
        ([41_000_000, 300_000], "2 excluded (saves 41.3 MB)"),
        ([41_300_000, None], "2 excluded (saves at least 41.3 MB)"),
        ([None], "1 excluded"),
        ([0], "1 excluded (saves 0 bytes)"),
    ],
)
def test_wording_of_what_it_saves(sizes: list[int | None], text: str) -> None:
    assert saving_text([ExcludedPackage("x", Version("1"), "x.whl", size) for size in sizes]) == text


BASE = make_lock("base", make_package("low"))
FRAMEWORK = make_lock("framework-f", make_package("middle", targets=["win_amd64"]))


def warnings(names: list[str], *, base: tuple[str, ...] = (), framework: tuple[str, ...] = ()) -> list[str]:
    own = make_lock("app-a", make_package("own-package", targets=["win_amd64"]))
    below: list[tuple[Layer, LayerLock]] = [
        (layer("framework-f", *framework), FRAMEWORK),
        (layer("base", *base), BASE),
    ]
    return idle_exclusions(layer("app-a", *names), own, below)


def test_exclusions_without_effect_are_told() -> None:
    assert warnings(["own-package"]) == [], "on another platform it has one"
    assert warnings(["low", "middle", "own-packages", "whatever"]) == [
        "Excluding 'low' from application 'a' has no effect: runtime 'base' below provides it.",
        "Excluding 'middle' from application 'a' has no effect: framework 'f' below provides it.",
        (
            "Excluding 'own-packages' from application 'a' has no effect: the layer does not need it "
            "(did you mean 'own-package'?)."
        ),
        "Excluding 'whatever' from application 'a' has no effect: the layer does not need it.",
    ]


def test_what_a_layer_below_excludes_may_be_excluded_as_well() -> None:
    assert warnings(["low", "middle"], base=("low",), framework=("middle",)) == []
    assert len(warnings(["low"], framework=("low",))) == 1, "the framework excludes what is not its own either"
