"""What a layer uses from the layers below, target by target, and what it must install itself."""

from collections.abc import Collection, Iterable, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.errors import LockError
from venvstacks.locking.layer_lock import LayerLock, SharedPackage
from venvstacks.locking.project import Provided, provided_below
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import Target


def check_agreement(
    layer: Layer, below: Sequence[LayerLock], python: PythonVersion, overridden: Collection[str] = ()
) -> None:
    """Check that what a layer declares is fulfilled by what it gets from the layers below.

    Of a package that several of these lock, the first on the path counts; the others are shadowed. They may differ
    in version: builds of one package for CPUs and for GPUs do.
    """
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


def split_shared(
    layer: Layer,
    resolved: Iterable[tuple[str, Version, Target]],
    below: Sequence[LayerLock],
) -> tuple[list[tuple[str, Version, Target]], tuple[SharedPackage, ...]]:
    """Divide a resolution into what the layer installs and what it shares."""
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
