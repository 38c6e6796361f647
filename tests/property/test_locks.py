"""Locks: what is written is read again, and markers are true exactly where they should be."""

import string
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer, LayerKind, PythonRequest
from venvstacks.locking.layer_lock import LockedPackage, LockedWheel, Resolution, SharedPackage
from venvstacks.locking.lock_contents import read_content
from venvstacks.locking.pylock import format_pylock, parse_pylock, read_packages, read_shared
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, best_wheel, marker_of
from venvstacks.platforms.targets import TARGETS, Target

PYTHON = PythonVersion("cpython", "3.12.7")
ALL = tuple(TARGETS.values())

some_targets = st.lists(st.sampled_from(ALL), min_size=1, unique=True)
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).map(canonicalize_name)
versions = st.builds(
    lambda release, suffix: Version(".".join(map(str, release)) + suffix),
    st.lists(st.integers(0, 30), min_size=1, max_size=4),
    st.sampled_from(["", "a1", "rc2", ".post3", ".dev4", "+local.1", "a1.post2+x"]),
)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(
    lambda text: not set(text) & set("/?#%\\")
)


def _layer(targets: tuple[Target, ...]) -> Layer:
    return Layer(
        kind=LayerKind.RUNTIME,
        name="py",
        requirements=(),
        compatibilities=tuple(Compatibility(target) for target in sorted(targets)),
        runtime="py",
        frameworks=(),
        python=PythonRequest("cpython", "3.12.7"),
    )


def _tag(target: Target, *, pure: bool) -> str:
    if pure:
        return "py3-none-any"
    platform = {"linux": "manylinux_2_17", "macosx": "macosx_11_0", "win": "win"}[target.os]
    return f"cp312-cp312-{platform}_{target.arch}"


@st.composite
def packages(draw: st.DrawFn, targets: tuple[Target, ...]) -> tuple[LockedPackage, ...]:
    """Draw packages, no two of which are needed under one name on one target."""
    found = []
    for name in draw(st.lists(names, unique=True, max_size=4)):
        left = list(targets)
        for version in draw(st.lists(versions, min_size=1, max_size=2, unique=True)):
            on = draw(st.lists(st.sampled_from(left), min_size=1, unique=True)) if left else []
            if on:
                found.append(LockedPackage(name, version, _wheels(draw, name, version, on)))
            left = [target for target in left if target not in on]
    return tuple(sorted(found, key=lambda package: (package.name, package.version)))


def _wheels(draw: st.DrawFn, name: str, version: Version, on: list[Target]) -> dict[Target, LockedWheel]:
    pure = draw(st.booleans())
    folder, local = draw(texts), draw(st.booleans())
    size = draw(st.none() | st.integers(1, 2**40))
    wheels: dict[Target, LockedWheel] = {}
    digests: dict[str, str] = {}
    for target in on:
        filename = f"{name.replace('-', '_')}-{version}-{_tag(target, pure=pure)}.whl"
        digest = digests.setdefault(filename, draw(st.text(string.hexdigits.lower(), min_size=64, max_size=64)))
        wheels[target] = LockedWheel(
            filename,
            None if local else f"https://index.example.invalid/{folder}/{filename}",
            f"../{folder}/{filename}" if local else None,
            digest,
            size,
        )
    return wheels


@settings(deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(data: st.DataObject) -> None:
    targets = tuple(data.draw(some_targets))
    layer = _layer(targets)
    locked = data.draw(packages(targets))
    shared = tuple(
        SharedPackage(name, version, layer_name, tuple(sorted(on)))
        for name, version, layer_name, on in data.draw(
            st.lists(st.tuples(names, versions, texts, some_targets), max_size=3)
        )
    )
    text = format_pylock(layer, Resolution(locked, shared))
    lock = parse_pylock(text, "the lock")
    read = read_packages(lock, layer.compatibilities, PYTHON, "the lock")
    assert read == locked
    assert read_shared(lock, "the lock") == shared
    assert format_pylock(layer, Resolution(read, shared)) == text
    content = read_content(text, layer)
    assert {(name, *each) for name, versions in content.own.items() for each in versions} == {
        (package.name, str(package.version), _names(package.wheels)) for package in locked
    }
    assert content.taken == tuple(
        (item.name, str(item.version), _names(item.targets), item.layer) for item in shared
    )


def _names(targets: Iterable[Target]) -> frozenset[str]:
    return frozenset(target.name for target in targets)


@settings(deadline=None)
@given(some_targets, some_targets)
def test_a_marker_is_true_exactly_where_it_should_be(chosen: list[Target], others: list[Target]) -> None:
    among = {*chosen, *others}
    marker = marker_of(chosen, among)
    true = {target for target in among if marker is None or _holds(marker, target)}
    assert true == set(chosen)
    assert (marker is None) == (set(chosen) == among)


def _holds(marker: Marker, target: Target) -> bool:
    environment: dict[str, Any] = Compatibility(target).marker_environment(PYTHON)
    return marker.evaluate(environment)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([_tag(target, pure=pure) for target in ALL for pure in (True, False)]), unique=True),
    st.sampled_from(ALL),
)
def test_the_order_of_wheels_does_not_matter(tags: list[str], target: Target) -> None:
    wheels = [f"p-1.0-{tag}.whl" for tag in tags]
    fitting = Compatibility(target).tags(PYTHON)
    best = best_wheel(wheels, fitting)
    assert best == best_wheel(reversed(wheels), fitting)
    assert (best is None) == (not {_tag(target, pure=True), _tag(target, pure=False)} & set(tags))
