"""Which layers below may be missing on a machine, since others replace them.

An application may be made for one of several frameworks, such as the builds of one package for CPUs and for GPUs.
A machine then needs only one of them, with what it depends on.
"""

from collections.abc import Mapping, Sequence

from packaging.utils import canonicalize_name

from venvstacks.building.exclusions import installed_wheels
from venvstacks.definition.stack import Layer, Stack
from venvstacks.locking.layer_lock import LayerLock
from venvstacks.platforms.targets import Target


def optional_layers(
    stack: Stack, layer: Layer, locks: Mapping[str, LayerLock], target: Target
) -> dict[str, dict[str, list[str]]]:
    """Decide which frameworks below a layer may be missing; all names are build names, in path order.

    Of the layers in ``replaced_by``, one must be there instead; if there are none, nobody but layers that may be
    missing themselves uses it. Those in ``needed_by`` need it if they are there.

    Two frameworks replace each other if the layer's ``index_overrides`` say so of the indexes they take a package
    from. A framework also replaces another one if all that the layer takes from that one is in it, too, in the
    same public version, and the layer takes something that both have.
    """
    frameworks = [stack.layer(name) for name in layer.frameworks]
    taken = _taken(layer, locks[layer.build_name], target)
    offers = {each.build_name: _offers(each, locks[each.build_name], target) for each in frameworks}
    below = {
        each.build_name: optional_layers(stack, each, locks, target) for each in frameworks if each.frameworks
    }
    wanted = {canonicalize_name(requirement.name) for requirement in layer.requirements}
    found: dict[str, dict[str, list[str]]] = {}
    for one in frameworks:
        name = one.build_name
        others = [other for other in frameworks if other is not one]
        replaced_by = [
            other.build_name
            for other in others
            if name not in other.frameworks
            and (_is_declared(stack, layer, one, other) or _is_alike(name, other.build_name, taken, offers))
        ]
        needed_by = [
            other.build_name
            for other in others
            if name in other.frameworks and name not in below[other.build_name]
        ]
        is_wanted = bool(wanted & taken.get(name, {}).keys())
        if replaced_by or (needed_by and not is_wanted and all(user in found for user in needed_by)):
            found[name] = {"replaced_by": replaced_by, "needed_by": needed_by}
    return found


def _taken(layer: Layer, lock: LayerLock, target: Target) -> dict[str, dict[str, str]]:
    """Return what a layer uses of each layer below: package -> public version."""
    taken: dict[str, dict[str, str]] = {}
    for package in lock.shared:
        if target in package.targets and package.name not in layer.exclude_packages:
            taken.setdefault(package.layer, {})[package.name] = package.version.public
    return taken


def _offers(layer: Layer, lock: LayerLock, target: Target) -> dict[str, str]:
    return {package.name: package.version.public for package, _ in installed_wheels(layer, lock, target)}


def _is_alike(
    one: str, other: str, taken: Mapping[str, Mapping[str, str]], offers: Mapping[str, Mapping[str, str]]
) -> bool:
    """Return whether all that is taken from a layer can be had from another one, and something is."""
    used = {**taken.get(other, {}), **taken.get(one, {})}
    in_both = used.items() & offers[one].items() & offers[other].items()
    return bool(in_both) and taken.get(one, {}).items() <= offers[other].items()


def _is_declared(stack: Stack, layer: Layer, one: Layer, other: Layer) -> bool:
    """Return whether a layer declares that it can do with either's build of a package."""
    first, second = _own_indexes(stack, one), _own_indexes(stack, other)
    pairs = [{first[package], second[package]} for package in first.keys() & second.keys()]
    return any({losing, winning} in pairs for losing, winning in (layer.index_overrides or {}).items())


def _own_indexes(stack: Stack, layer: Layer) -> dict[str, str]:
    """Return the indexes of packages that a layer does not inherit."""
    inherited: Sequence[Mapping[str, str]] = [stack.layer(name).package_indexes or {} for name in layer.below]
    own = (layer.package_indexes or {}).items()
    return {package: index for package, index in own if not any(each.get(package) == index for each in inherited)}
