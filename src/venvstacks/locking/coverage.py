"""Whether every target has a usable wheel of every package, and what would help where it has not."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.pylock import Package, PackageWheel
from packaging.version import Version

from venvstacks.errors import CoverageError
from venvstacks.locking.model import LockedPackage, LockedWheel
from venvstacks.locking.pylock import choose_wheel
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import Target
from venvstacks.spec.model import Layer

Candidates = Mapping[Target, Mapping[str, tuple[Package, tuple[PackageWheel, ...]]]]


@dataclass(frozen=True, slots=True)
class Gap:
    """A package without a usable wheel on a target.

    Attributes:
        package: Normalised name.
        version: The version that was resolved.
        compatibility: The target.
    """

    package: str
    version: Version
    compatibility: Compatibility


def cover(
    layer: Layer,
    needed: Iterable[tuple[str, Version, Target]],
    candidates: Candidates,
    python: PythonVersion,
    lock_folder: Path,
) -> tuple[tuple[LockedPackage, ...], tuple[Gap, ...]]:
    """Choose the wheel that each target gets of each package.

    Args:
        layer: The layer.
        needed: Name, version and target of everything the layer installs itself.
        candidates: What the resolution offers on each target.
        python: The exact base Python.
        lock_folder: The folder of the lock file, which local wheels are written relative to.

    Returns:
        The packages, sorted, and the gaps.
    """
    wheels: dict[tuple[str, Version], dict[Target, LockedWheel]] = {}
    gaps: list[Gap] = []
    for name, version, target in needed:
        compatibility = next(c for c in layer.compatibilities if c.target == target)
        chosen = choose_wheel(candidates[target][name][1], compatibility, python)
        if chosen is None:
            gaps.append(Gap(name, version, compatibility))
        else:
            wheels.setdefault((name, version), {})[target] = _locked(chosen, lock_folder)
    return tuple(LockedPackage(*key, wheels[key]) for key in sorted(wheels)), tuple(gaps)


def _locked(wheel: PackageWheel, lock_folder: Path) -> LockedWheel:
    url, path = wheel.url, wheel.path
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            path = _relative(Path(url2pathname(parts.path)), lock_folder)
            url = None
        elif parts.username or parts.password:
            # credentials belong to the environment, never into a lock
            host = parts.hostname or ""
            url = parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()
    elif path is not None:
        path = _relative(lock_folder / path, lock_folder)
    return LockedWheel(wheel.filename, url, path, wheel.hashes["sha256"], wheel.size)


def _relative(path: Path, lock_folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), lock_folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return path.as_posix()


def coverage_error(layer: Layer, gaps: Sequence[Gap], newest: Callable[[Gap], Version | None]) -> CoverageError:
    """Say which packages lack wheels where, and what would work.

    Args:
        layer: The layer.
        gaps: At least one gap.
        newest: Finds the newest version of a gap's package that has a usable wheel for its target.
    """
    lines = []
    for name, version in dict.fromkeys((gap.package, gap.version) for gap in gaps):
        own = [gap for gap in gaps if (gap.package, gap.version) == (name, version)]
        where = ", ".join(gap.compatibility.describe() for gap in own)
        found = [newest(gap) for gap in own]
        line = f"  - {name} {version} has no usable wheel for {where}"
        if all(found):
            oldest = min(v for v in found if v is not None)
            line += f"; the newest version that has is {oldest}"
        lines.append(line)
    lacking = {gap.compatibility.target for gap in gaps}
    working = [target.name for target in layer.targets if target not in lacking]
    listed = ", ".join(f'"{name}"' for name in working)
    hint = (
        f"set `platforms = [{listed}]` on {layer.title}, or require other versions"
        if working
        else f"require other versions of these packages in {layer.title}"
    )
    return CoverageError(
        f"{layer.title.capitalize()} cannot be locked: not every target has a wheel of every package.\n"
        + "\n".join(lines),
        hint=hint,
    )
