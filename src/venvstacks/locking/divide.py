"""Divide a resolution: what a layer gets from the layers below, which wheels it installs, and what is missing."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.pylock import PackageWheel
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer, UvSettings
from venvstacks.errors import LockError
from venvstacks.locking.layer_lock import LayerLock, LockedPackage, LockedWheel, Resolution, SharedPackage
from venvstacks.locking.pylock import Candidates, choose_wheel
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, holds, marker_of
from venvstacks.platforms.targets import Target

Provided = Mapping[str, Mapping[Target, tuple[LockedPackage, str]]]
"""Normalised name -> target -> the package that layers below provide there, and the build name of the layer."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Gap:
    """A package without a usable wheel on a target.

    If a single version was resolved, ``version`` is that, and ``wheels`` are the file names of its wheels.
    """

    package: str
    version: Version | None
    limits: Compatibility
    wheels: tuple[str, ...] = ()


def find_provided(layer: Layer, below: Sequence[LayerLock]) -> Provided:
    """Find what the layers below provide on a layer's targets.

    Of a package that several of these lock, the first on the path counts; the others are shadowed. They may differ
    in version: builds of one package for CPUs and for GPUs do.
    """
    provided: dict[str, dict[Target, tuple[LockedPackage, str]]] = {}
    for lock in below:
        for package in lock.packages:
            for target in layer.targets:
                if target in package.wheels:
                    provided.setdefault(package.name, {}).setdefault(target, (package, lock.layer))
    return provided


def check_agreement(layer: Layer, python: PythonVersion, provided: Provided, overridden: Collection[str]) -> None:
    """Check that what a layer declares is fulfilled by what it gets from the layers below."""
    for requirement in layer.requirements:
        name = canonicalize_name(requirement.name)
        if name in overridden:
            continue
        for limits in layer.compatibilities:
            package, owner = provided.get(name, {}).get(limits.target, (None, ""))
            if package is None or requirement.specifier.contains(package.version, prereleases=True):
                continue
            if holds(requirement.marker, limits.marker_environment(python)):
                raise LockError(
                    f"Cannot lock {layer.title}: it requires '{requirement}', but the layer below it, {owner!r}, "
                    f"locks {requirement.name} {package.version} on {limits.target.name}.",
                    hint=f"allow version {package.version} here, or change the requirement in {owner!r} and lock "
                    "again",
                )


def overridden_names(settings: UvSettings) -> frozenset[str]:
    """Return the normalised names of packages whose requirements the settings replace."""
    overrides = settings.table.get("override-dependencies", ())
    found = (_NAME.match(item) for item in overrides)
    return frozenset(canonicalize_name(match[0]) for match in found if match)


def format_constraints(layer: Layer, provided: Provided) -> Iterator[str]:
    """Write what the layers below provide as constraints, restricted to the targets where they hold."""
    for name, on_targets in provided.items():
        versions: dict[Version, list[Target]] = {}
        for target, (package, _) in on_targets.items():
            if target in layer.targets:
                versions.setdefault(package.version, []).append(target)
        for version, targets in versions.items():
            marker = marker_of(targets, layer.targets)
            yield f"{name}=={version}" + (f" ; {marker}" if marker else "")


def divide(
    layer: Layer,
    python: PythonVersion,
    candidates: Candidates,
    provided: Provided,
    *,
    lock_folder: Path,
    resolved_in: Path,
) -> tuple[Resolution, list[Gap]]:
    """Divide what was resolved into what layers below provide, what the layer installs, and what has no wheel.

    Paths of local wheels are relative to ``resolved_in`` at first, and to ``lock_folder`` in the end.
    """
    shared: dict[tuple[str, Version, str], list[Target]] = {}
    wheels: dict[tuple[str, Version], dict[Target, LockedWheel]] = {}
    gaps: dict[tuple[str, Version, Target], Gap] = {}
    for limits, package in candidates:
        name, version, target = package.name, package.version, limits.target
        if version is None:
            raise LockError(f"Cannot lock {layer.title}: {name} is not a released version with wheels.")
        below, owner = provided.get(name, {}).get(target, (None, ""))
        if below is not None:
            if below.version != version:
                raise LockError(
                    f"Cannot lock {layer.title}: it needs {name} {version} on {target.name}, but the layer below "
                    f"it, {owner!r}, locks {name} {below.version}.",
                    hint=f"an override in [tool.uv] asks for this version: lock {owner!r} again with it",
                )
            shared.setdefault((name, version, owner), []).append(target)
        elif (wheel := choose_wheel(package, limits, python)) is not None:
            wheels.setdefault((name, version), {})[target] = _locate(wheel, lock_folder, resolved_in)
        else:
            names = tuple(sorted(wheel.filename for wheel in package.wheels or ()))
            gaps[name, version, target] = Gap(name, version, limits, names)
    resolution = Resolution(
        tuple(LockedPackage(*key, wheels[key]) for key in sorted(wheels)),
        tuple(SharedPackage(*key, tuple(shared[key])) for key in sorted(shared)),
    )
    return resolution, [gaps[key] for key in sorted(gaps)]


def _locate(wheel: PackageWheel, lock_folder: Path, resolved_in: Path) -> LockedWheel:
    url, path = wheel.url, wheel.path
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            path = _make_relative(Path(url2pathname(parts.path)), lock_folder)
            url = None
        else:  # credentials belong to the environment, never into a lock
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    elif path is not None:
        path = _make_relative(Path(os.path.normpath(resolved_in / path)), lock_folder)
    return LockedWheel(wheel.filename, url, path, wheel.hashes["sha256"], wheel.size)


def _make_relative(path: Path, lock_folder: Path) -> str:
    try:
        plain = os.path.relpath(path, lock_folder)
        if (lock_folder / plain).resolve() != path.resolve():  # a link is between the two
            plain = os.path.relpath(path.resolve(), lock_folder.resolve())
    except ValueError:  # another drive on Windows
        return path.as_posix()
    return Path(plain).as_posix()
