"""Packages that are locked and not installed, because a layer's definition excludes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.humanize import did_you_mean, size_text
from venvstacks.locking.layer_lock import LayerLock, LockedPackage, LockedWheel
from venvstacks.platforms.targets import Target


@dataclass(frozen=True, slots=True)
class ExcludedPackage:
    """A package that a layer's lock has for a target, and that the layer leaves out.

    Attributes:
        name: Normalised name (PEP 503).
        version: Exact version.
        filename: The file name of the wheel that is not installed.
        size: The size of that wheel in bytes; None if neither the lock nor a local file has it.
    """

    name: str
    version: Version
    filename: str
    size: int | None


def installed_wheels(
    layer: Layer, lock: LayerLock, target: Target
) -> tuple[tuple[LockedPackage, LockedWheel], ...]:
    """Return what a layer installs on a target: packages with their wheels, sorted by name."""
    return tuple(each for each in lock.wheels_on(target) if each[0].name not in layer.exclude_packages)


def excluded_packages(
    layer: Layer, lock: LayerLock, target: Target, lock_folder: Path
) -> tuple[ExcludedPackage, ...]:
    """Return what a layer does not install on a target though its lock has it, sorted by name."""
    return tuple(
        ExcludedPackage(package.name, package.version, wheel.filename, _size(wheel, lock_folder))
        for package, wheel in lock.wheels_on(target)
        if package.name in layer.exclude_packages
    )


def _size(wheel: LockedWheel, lock_folder: Path) -> int | None:
    if wheel.size is not None or wheel.path is None:
        return wheel.size
    try:
        return (lock_folder / wheel.path).stat().st_size
    except OSError:  # it is not needed, and may be gone
        return None


def saving_text(excluded: Sequence[ExcludedPackage]) -> str:
    """Describe for people what excluding packages saves: ``2 excluded (saves 41.3 MB)``; empty if none are."""
    if not excluded:
        return ""
    known = [package.size for package in excluded if package.size is not None]
    least = "" if len(known) == len(excluded) else "at least "
    return f"{len(excluded)} excluded" + (f" (saves {least}{size_text(sum(known))})" if known else "")


def idle_exclusions(layer: Layer, lock: LayerLock, below: Sequence[tuple[Layer, LayerLock]]) -> list[str]:
    """Find names in ``exclude_packages`` that have no effect.

    What a layer below excludes may be excluded here as well: then nothing in this layer misses it.
    """
    own = {package.name for package in lock.packages}
    warnings = []
    for name in layer.exclude_packages:
        providers = [lower for lower, locked in below if name in {package.name for package in locked.packages}]
        installing = next((lower for lower in providers if name not in lower.exclude_packages), None)
        if name in own or (providers and installing is None):
            continue
        if installing is not None:
            why = f"{installing.title} below provides it"
        else:
            near = did_you_mean(name, own)
            why = "the layer does not need it" + (f" ({near})" if near else "")
        warnings.append(f"Excluding {name!r} from {layer.title} has no effect: {why}.")
    return warnings
