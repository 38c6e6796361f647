"""What a layer uses from the layers below, target by target, and what it must install itself."""

from collections.abc import Collection, Iterable, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.errors import LockError
from venvstacks.locking.model import LayerLock, LockedPackage, SharedPackage
from venvstacks.locking.project import Provided, provided_below
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import Target
from venvstacks.spec.model import Layer


def check_agreement(
    layer: Layer, below: Sequence[LayerLock], python: PythonVersion, overridden: Collection[str] = ()
) -> None:
    """See that the layers below can be used together, and that the layer's own wishes allow for them.

    Args:
        layer: The layer.
        below: The locks of the layers below, in path order.
        python: The exact base Python.
        overridden: Normalised names of packages whose requirements ``[tool.uv]`` replaces.

    Raises:
        LockError: Two layers below lock different versions of a package, or the layer declares a
            requirement that what is locked below does not fulfil. The message names both layers.
    """
    for index, upper in enumerate(below):
        for lower in below[index + 1 :]:
            _check_pair(layer, upper, lower)
    provided = provided_below(layer, below)
    for requirement in layer.requirements:
        name = canonicalize_name(requirement.name)
        if name not in overridden:
            _check_requirement(layer, requirement, provided.get(name, {}), python)


def _check_requirement(layer: Layer, requirement: Requirement, provided: Provided, python: PythonVersion) -> None:
    for target, (version, owner) in provided.items():
        compatibility = layer.on(target)
        if compatibility is None or requirement.specifier.contains(version, prereleases=True):
            continue
        if requirement.marker is None or requirement.marker.evaluate(compatibility.marker_environment(python)):
            raise LockError(
                f"Cannot lock {layer.title}: it requires '{requirement}', but the layer below it, {owner!r}, "
                f"locks {requirement.name} {version} on {target.name}.",
                hint=f"allow version {version} here, or change the requirement in {owner!r} and lock again",
            )


def _check_pair(layer: Layer, upper: LayerLock, lower: LayerLock) -> None:
    theirs: dict[str, list[LockedPackage]] = {}
    for package in lower.packages:
        theirs.setdefault(package.name, []).append(package)
    for package in upper.packages:
        for other in theirs.get(package.name, ()):
            both = sorted(package.wheels.keys() & other.wheels.keys() & set(layer.targets))
            if both and other.version != package.version:
                raise LockError(
                    f"Cannot lock {layer.title}: it stands on {upper.layer!r} and {lower.layer!r}, which lock "
                    f"different versions of {package.name} on {both[0].name}: {package.version} and "
                    f"{other.version}.",
                    hint=f"require the same version of {package.name} in both, or move it to a layer below both",
                )


def split_shared(
    layer: Layer,
    resolved: Iterable[tuple[str, Version, Target]],
    below: Sequence[LayerLock],
) -> tuple[list[tuple[str, Version, Target]], tuple[SharedPackage, ...]]:
    """Divide a resolution into what the layer installs and what it shares.

    Args:
        layer: The layer.
        resolved: Name, version and target of everything that the layer needs.
        below: The locks of the layers below, in path order.

    Returns:
        What the layer installs itself, and what layers below provide.

    Raises:
        LockError: The resolution wants another version than a layer below locks.
    """
    provided = provided_below(layer, below)
    own: list[tuple[str, Version, Target]] = []
    shared: dict[tuple[str, Version, str], list[Target]] = {}
    for name, version, target in resolved:
        found = provided.get(name, {}).get(target)
        if found is None:
            own.append((name, version, target))
            continue
        below_version, owner = found
        if below_version != version:
            raise LockError(
                f"Cannot lock {layer.title}: it needs {name} {version} on {target.name}, but the layer below it, "
                f"{owner!r}, locks {name} {below_version}.",
                hint=f"an override in [tool.uv] asks for this version: lock {owner!r} again with it",
            )
        shared.setdefault((name, version, owner), []).append(target)
    return own, tuple(SharedPackage(*key, tuple(sorted(shared[key]))) for key in sorted(shared))


def shared_by_name(layer: Layer, names: Collection[str], below: Sequence[LayerLock]) -> tuple[SharedPackage, ...]:
    """Find who provides packages of which only the names are known (locks of venvstacks 0.8)."""
    provided = provided_below(layer, below)
    resolved = [
        (name, version, target)
        for name in sorted(names)
        for target, (version, _) in provided.get(name, {}).items()
    ]
    return split_shared(layer, resolved, below)[1]
