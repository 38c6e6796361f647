"""Whether every target has a usable wheel of every package."""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.pylock import PackageWheel
from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.locking.layer_lock import LockedPackage, LockedWheel
from venvstacks.locking.pylock import Candidates, choose_wheel
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, best_wheel
from venvstacks.platforms.targets import Target


@dataclass(frozen=True, slots=True)
class Gap:
    """A package without a usable wheel on a target.

    Attributes:
        package: Normalised name.
        version: The version that was resolved, if it was a single one.
        compatibility: The target.
        wheels: File names of the wheels that this version has, if it was resolved.
    """

    package: str
    version: Version | None
    compatibility: Compatibility
    wheels: tuple[str, ...] = ()


def cover(
    layer: Layer,
    needed: Iterable[tuple[str, Version, Target]],
    candidates: Candidates,
    python: PythonVersion,
    *,
    lock_folder: Path,
    resolved_in: Path,
) -> tuple[tuple[LockedPackage, ...], tuple[Gap, ...]]:
    """Choose the wheel that each target gets of each package."""
    wheels: dict[tuple[str, Version], dict[Target, LockedWheel]] = {}
    gaps: list[Gap] = []
    limits = {compatibility.target: compatibility for compatibility in layer.compatibilities}
    for name, version, target in needed:
        compatibility = limits[target]
        chosen = choose_wheel(candidates[target][name][1], compatibility, python)
        if chosen is None:
            names = tuple(sorted(wheel.filename for wheel in candidates[target][name][1]))
            gaps.append(Gap(name, version, compatibility, names))
        else:
            wheels.setdefault((name, version), {})[target] = _locked(chosen, lock_folder, resolved_in)
    return tuple(LockedPackage(*key, wheels[key]) for key in sorted(wheels)), tuple(gaps)


_LIMIT = re.compile(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_")


def newer_limits(
    wheels: Collection[str], compatibility: Compatibility, python: PythonVersion
) -> Compatibility | None:
    """Find the oldest system of a target's kind that one of some wheels is for; None if none is for any."""
    versions = {(int(major), int(minor)) for name in wheels for _, major, minor in _LIMIT.findall(name)}
    for version in sorted(versions):
        newer = replace(compatibility, libc_version=version, macos_version=version)
        if best_wheel(wheels, newer.tags(python)) is not None:
            return newer
    return None


def _locked(wheel: PackageWheel, lock_folder: Path, resolved_in: Path) -> LockedWheel:
    url, path = wheel.url, wheel.path
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            path = _relative(Path(url2pathname(parts.path)), lock_folder)
            url = None
        else:  # credentials belong to the environment, never into a lock
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    elif path is not None:
        path = _relative(Path(os.path.normpath(resolved_in / path)), lock_folder)
    return LockedWheel(wheel.filename, url, path, wheel.hashes["sha256"], wheel.size)


def _relative(path: Path, lock_folder: Path) -> str:
    try:
        plain = os.path.relpath(path, lock_folder)
        if (lock_folder / plain).resolve() != path.resolve():  # a link stands between the two
            plain = os.path.relpath(path.resolve(), lock_folder.resolve())
    except ValueError:  # another drive on Windows
        return path.as_posix()
    return Path(plain).as_posix()
