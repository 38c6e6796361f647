"""What a build script calls: build."""

from collections.abc import Collection

from venvstacks.api.locking import plan_locking, run_locking
from venvstacks.building.build_run import BuildPlan, plan_build, run_build
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.building.install import Installer
from venvstacks.builds import chosen_layers, gather_builds
from venvstacks.definition.stack import Stack
from venvstacks.options import Options
from venvstacks.selection import HOST, extended, selected_targets
from venvstacks.session import new_bench


def build(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    lock_if_needed: bool = False,
    reset: Collection[str] = (),
    options: Options | None = None,
) -> tuple[BuiltLayer, ...]:
    """Build layers for some platforms, as far as they are not built already.

    Args:
        stack: The stack.
        include: Build names of the layers to build; all by default. Layers below them are built if needed.
        platforms: Target names, ``host`` for this machine's, ``all`` for all that one of the layers is made for.
            Layers that are not made for a platform are left out there.
        lock_if_needed: Whether to lock first what has no valid lock.
        reset: Build names of layers whose earlier pins are forgotten; only with ``lock_if_needed``.
        options: How.

    Returns:
        These layers and those below them, platform by platform, each in the stack's order.

    Raises:
        UsageError: There is no such platform, or none of the layers is made for it.
        InvalidLockError: A layer has no valid lock.
        BuildError: A layer cannot be built.
    """
    options = options or Options()
    with new_bench(stack, options) as bench:
        chosen, reset = chosen_layers(stack, include), chosen_layers(stack, reset, "reset")
        selected_targets(stack, chosen, platforms)  # a mistake in a name shows before anything is locked
        if lock_if_needed:
            needed = extended(stack, {*chosen, *reset}, dependencies=True, derived=False)
            run_locking(bench, plan_locking(stack, include=needed, reset=reset, if_needed=True))
        installer = Installer(
            stack,
            bench.uv,
            bench.wheel_folders,
            options.no_index,
            bench.workspace.scratch,
            bench.work,
            options.check_binaries,
            stack.strict if options.strict is None else options.strict,
        )
        plan = plan_building(stack, include=include, platforms=platforms, options=options)
        return run_build(plan, installer, bench.runtimes)


def plan_building(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> BuildPlan:
    """Describe what :func:`build` would do with the present locks.

    Raises:
        UsageError: There is no such platform, or none of the layers is made for it.
        InvalidLockError: A layer has no valid lock.
        BuildError: A layer's folder holds what no build put there.
    """
    options = options or Options()
    builds = gather_builds(stack, options, chosen_layers(stack, include), platforms)
    return plan_build([build for of_target in builds.values() for build in of_target], clean=options.clean)
