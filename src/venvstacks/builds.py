"""What the steps work on: layers and platforms, as the caller chose them."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from venvstacks.building.build_plan import Key, LayerBuild, load_locks, plan_layers
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.building.built_layers import find_built
from venvstacks.definition.stack import Stack
from venvstacks.errors import UsageError, require_collection
from venvstacks.locking.layer_lock import LayerLock
from venvstacks.locking.states import lock_states
from venvstacks.options import Options, in_definition
from venvstacks.platforms.targets import Target
from venvstacks.selection import extended, selected_targets


def find_layers(stack: Stack, options: Options, wanted: Collection[BuiltLayer]) -> dict[Key, BuiltLayer]:
    """Find layers in the build folder, of which is known what they must be."""
    if not wanted:
        return {}
    keys = {built.key for built in wanted}
    platforms = {built.target.name for built in wanted}
    builds = gather_builds(stack, options, {built.layer.build_name for built in wanted}, platforms)
    found = find_built([build for of_target in builds.values() for build in of_target], keys)
    return {built.key: built for built in found}


def chosen_layers(stack: Stack, include: Collection[str] | None, parameter: str = "include") -> frozenset[str]:
    """Return the build names of some layers; of all if ``include`` is None."""
    require_collection(**{parameter: include})
    names = frozenset(layer.build_name for layer in stack.layers)
    unknown = sorted(frozenset(include or ()) - names)
    if unknown:
        hint = f"the build names are: {', '.join(sorted(names))}; venvstacks.select finds layers by patterns"
        raise UsageError(f"There is no layer with the build name {', '.join(map(repr, unknown))}.", hint=hint)
    return names if include is None else frozenset(include)


def output_folder(stack: Stack, path: str | os.PathLike[str]) -> Path:
    """Return an output folder, which is relative to the definition's, absolute."""
    folder = in_definition(stack, path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"The output folder {folder} is a file.", hint="name another folder")
    return folder


def made_here(built: Collection[BuiltLayer], chosen: Collection[str]) -> frozenset[str]:
    """Leave out the layers that are not made for the platform."""
    return frozenset(layer.layer.build_name for layer in built) & frozenset(chosen)


def gather_builds(
    stack: Stack, options: Options, chosen: Collection[str], platforms: Collection[str]
) -> dict[Target, tuple[LayerBuild, ...]]:
    """Gather what building layers, and those below them, takes."""
    targets = selected_targets(stack, chosen, platforms)
    on = {target: {name for name in chosen if stack.layer(name).on(target) is not None} for target in targets}
    states = lock_states(stack)
    locks = load_locks(stack, states, set().union(*on.values()))
    modules = {name: states[name].module_hashes for name in locks}
    folder = in_definition(stack, options.build_dir)
    return {
        target: plan_layers(stack, _with_those_below(stack, locks, names), modules, target, folder)
        for target, names in on.items()
    }


def _with_those_below(
    stack: Stack, locks: Mapping[str, LayerLock], names: Collection[str]
) -> dict[str, LayerLock]:
    wanted = extended(stack, names, dependencies=True, derived=False)
    return {name: lock for name, lock in locks.items() if name in wanted}
