from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Package, PackageWheel
from packaging.utils import canonicalize_name
from packaging.version import Version

from fakes.definitions import define
from fakes.locks import make_lock, make_package
from venvstacks.definition.stack import Layer
from venvstacks.errors import LockError
from venvstacks.locking.divide import Gap, check_agreement, divide, find_provided, format_constraints
from venvstacks.locking.layer_lock import LayerLock, Resolution
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS

PYTHON = PythonVersion("cpython", "3.12.7")


def _layer(folder: Path, **fields: object) -> Layer:
    return define(folder, runtimes=[fields]).layers[0]


def _check(layer: Layer, below: Sequence[LayerLock], overridden: Collection[str] = ()) -> None:
    check_agreement(layer, PYTHON, find_provided(layer, below), overridden)


def _divide(layer: Layer, package: Package, *below: LayerLock) -> tuple[Resolution, list[Gap]]:
    """Divide what uv resolved for each target: one package."""
    return divide(
        layer,
        PYTHON,
        [(limits, package) for limits in layer.compatibilities],
        find_provided(layer, below),
        lock_folder=Path("/stack/requirements/py"),
        resolved_in=Path("/scratch/lock-py"),
    )


def test_constraints_are_limited_to_where_they_hold(tmp_path: Path) -> None:
    layer = _layer(tmp_path, platforms=["linux_x86_64", "win_amd64"])
    below = [
        make_lock("upper", make_package("a", "2.0", ["win_amd64"]), make_package("c", targets=["win_arm64"])),
        make_lock("lower", make_package("a", "1.0"), make_package("b")),
    ]
    provided = find_provided(layer, below)
    assert list(format_constraints(layer, provided)) == [
        'a==2.0 ; sys_platform == "win32" and platform_machine == "AMD64"',
        'a==1.0 ; sys_platform == "linux" and platform_machine == "x86_64"',
        "b==1.0",
    ]
    assert "c" not in provided
    on_linux = replace(layer, compatibilities=(Compatibility(TARGETS["linux_x86_64"]),))
    assert list(format_constraints(on_linux, provided)) == ["a==1.0", "b==1.0"]


def test_the_first_on_the_path_counts_for_requirements(tmp_path: Path) -> None:
    layer = _layer(tmp_path, requirements=["x>=2; os_name == 'nt'", "y"], platforms=["win_amd64"])
    new, old = make_lock("new", make_package("x", "2.0")), make_lock("old", make_package("x", "1.0"))
    _check(layer, [new, old])
    with pytest.raises(LockError, match=r"it requires 'x>=2; .*but the layer below it, 'old', locks x 1\.0 on"):
        _check(layer, [old, new])


def test_requirements_that_are_overridden_are_not_compared(tmp_path: Path) -> None:
    layer, below = _layer(tmp_path, requirements=["A.b<1"]), [make_lock("low", make_package("a-b"))]
    with pytest.raises(LockError, match=r"^Cannot lock runtime 'py': it requires 'A\.b<1', but the layer below"):
        _check(layer, below)
    _check(layer, below, {"a-b"})


@pytest.mark.parametrize(
    ("place", "url", "path"),
    [
        (
            {"url": "https://anna:secret@host.example.invalid:8/a%20b/NAME?x=y@z"},
            "https://host.example.invalid:8/a%20b/NAME?x=y@z",
            None,
        ),
        ({"url": "http://anna@[::1]:80/NAME"}, "http://[::1]:80/NAME", None),
        ({"url": "https://Host.example.invalid/NAME"}, "https://Host.example.invalid/NAME", None),
        ({"url": "file:///stack/my%20wheels/%F0%9F%90%B8/NAME"}, None, "../../my wheels/🐸/NAME"),
        ({"path": "../wheels/NAME"}, None, "../../../scratch/wheels/NAME"),
    ],
)
def test_where_a_wheel_is(tmp_path: Path, place: dict[str, str], url: str | None, path: str | None) -> None:
    name = "a-1.0-py3-none-any.whl"
    layer = _layer(tmp_path, platforms=["win_amd64"])
    at: dict[str, Any] = {key: value.replace("NAME", name) for key, value in place.items()}
    wheel = PackageWheel(name=name, hashes={"sha256": "0"}, **at)
    resolution, gaps = _divide(layer, Package(name=canonicalize_name("a"), version=Version("1.0"), wheels=[wheel]))
    found = resolution.packages[0].wheels[TARGETS["win_amd64"]]
    assert (found.url, found.path) == (url and url.replace("NAME", name), path and path.replace("NAME", name))
    assert gaps == []


def _wheel(name: str) -> PackageWheel:
    return PackageWheel(name=name, url=f"https://host.example.invalid/{name}", hashes={"sha256": "0"})


def test_what_is_below_is_shared_and_needs_no_wheel(tmp_path: Path) -> None:
    layer = _layer(tmp_path, platforms=["linux_x86_64", "macosx_arm64", "win_amd64"])
    wheels = [_wheel("a-1.0-cp312-cp312-win_amd64.whl")]
    package = Package(name=canonicalize_name("a"), version=Version("1.0"), wheels=wheels)
    resolution, gaps = _divide(layer, package, make_lock("low", make_package("a", targets=["linux_x86_64"])))
    assert [(each.name, list(each.wheels)) for each in resolution.packages] == [("a", [TARGETS["win_amd64"]])]
    assert [(each.layer, each.targets) for each in resolution.shared] == [("low", (TARGETS["linux_x86_64"],))]
    assert gaps == [Gap("a", Version("1.0"), layer.compatibilities[1], ("a-1.0-cp312-cp312-win_amd64.whl",))]


def test_an_override_that_asks_for_another_version_than_is_below(tmp_path: Path) -> None:
    layer = _layer(tmp_path, platforms=["win_amd64"])
    package = Package(name=canonicalize_name("a"), version=Version("2.0"), wheels=[])
    with pytest.raises(
        LockError, match=r"^Cannot lock runtime 'py': it needs a 2\.0 on win_amd64, but .*'low', locks a 1\.0\."
    ):
        _divide(layer, package, make_lock("low", make_package("a")))


def test_packages_without_a_version_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="a is not a released version with wheels"):
        _divide(_layer(tmp_path), Package(name=canonicalize_name("a")))
