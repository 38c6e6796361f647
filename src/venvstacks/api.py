"""What a build script calls: lock, build, publish and export a stack."""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from venvstacks.archives.cache_place import frame_cache
from venvstacks.archives.unpack_plan import PlannedUnpack, UnpackedLayer, plan_unpack, run_unpack
from venvstacks.building.build import BuildPlan, expected, plan_build, run_build
from venvstacks.building.install import Installer
from venvstacks.building.library_report import LayerLibraries, describe_libraries
from venvstacks.building.model import BuiltLayer
from venvstacks.building.why import Presence, find_presences
from venvstacks.gathering import chosen_layers, find_layers, gather_builds, made_here, output_folder
from venvstacks.locking.lock import LockedLayer, LockPlan, plan_lock, run_lock
from venvstacks.locking.resolve import Resolver, Sources
from venvstacks.locking.states import lock_states
from venvstacks.publishing.export_plan import ExportOptions, ExportPlan, plan_export, read_exported
from venvstacks.publishing.exporting import ExportResult, run_export
from venvstacks.publishing.old_states import read_states
from venvstacks.publishing.plan import Action, PublishOptions, PublishPlan, plan_publish
from venvstacks.publishing.publish import PublishResult, run_publish
from venvstacks.publishing.published import read_published
from venvstacks.runs import Bench, Options, cache_folder, held, in_definition, new_bench
from venvstacks.runtimes.choice import choose_python
from venvstacks.selection import HOST, extended, selected_targets
from venvstacks.spec import loading
from venvstacks.spec.model import Bytecode, LocalRuntime, Stack
from venvstacks.work import Work


def load_stack(
    path: str | os.PathLike[str], *, local_runtime: LocalRuntime | None = None, bytecode: Bytecode | None = None
) -> Stack:
    """Load and check a definition file.

    Args:
        path: The file; relative to the current folder, ``~`` is expanded.
        local_runtime: Wins over the file's ``local-runtime``.
        bytecode: Wins over the file's ``bytecode``. Publishing and exporting need what building was given.

    Raises:
        DefinitionError: The file cannot be read or used; has all its problems.
    """
    return loading.load_stack(Path(path), local_runtime=local_runtime, bytecode=bytecode)


def lock(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    reset: Collection[str] = (),
    if_needed: bool = False,
    options: Options | None = None,
) -> tuple[LockedLayer, ...]:
    """Lock layers for all their targets.

    Layers below them are locked as well where they have no valid lock, and layers above them always.

    Args:
        stack: The stack.
        include: Build names of the layers to lock; all by default.
        reset: Build names of layers whose earlier pins are forgotten.
        if_needed: Whether valid locks are kept.
        options: How.

    Returns:
        The locks of all these layers, in the stack's order.

    Raises:
        LockError: A layer cannot be locked.
    """
    options = options or Options()
    with new_bench(stack, options) as bench:
        return _lock(bench, plan_locking(stack, include=include, reset=reset, if_needed=if_needed))


def plan_locking(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    reset: Collection[str] = (),
    if_needed: bool = False,
) -> LockPlan:
    """Say what :func:`lock` would do, with the same parameters."""
    chosen = chosen_layers(stack, include)
    resolve = reset if if_needed else chosen
    return plan_lock(stack, lock_states(stack), resolve=resolve, needed=chosen, forget_pins=reset)


def _lock(bench: Bench, plan: LockPlan) -> tuple[LockedLayer, ...]:
    sources = Sources(bench.wheel_folders, bench.options.no_index)
    resolver = Resolver(bench.stack, bench.uv, bench.workspace.scratch, sources, bench.work)
    locked = run_lock(
        resolver, plan, lambda layer, earlier: choose_python(bench.runtimes, layer, earlier), bench.options.environ
    )
    return tuple(locked.values())


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
        chosen = chosen_layers(stack, include)
        selected_targets(stack, chosen, platforms)  # a mistake in a name shows before anything is locked
        if lock_if_needed:
            needed = extended(stack, {*chosen, *reset}, dependencies=True, derived=False)
            _lock(bench, plan_locking(stack, include=needed, reset=reset, if_needed=True))
        installer = Installer(
            stack,
            bench.uv,
            bench.wheel_folders,
            options.no_index,
            bench.workspace.scratch,
            bench.work,
            options.check_binaries,
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
    """Say what :func:`build` would do with the present locks.

    Raises:
        UsageError: There is no such platform, or none of the layers is made for it.
        InvalidLockError: A layer has no valid lock.
        BuildError: A layer's folder holds what no build put there.
    """
    options = options or Options()
    builds = gather_builds(stack, options, chosen_layers(stack, include), platforms)
    return plan_build([build for of_target in builds.values() for build in of_target], clean=options.clean)


def plan_publication(
    stack: Stack,
    settings: PublishOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[PublishPlan, ...]:
    """Say what :func:`publish` would do, with the same parameters.

    Locks and earlier manifests suffice for that: the layers need not be built.
    """
    options = options or Options()
    settings = settings or PublishOptions(Path("_artifacts"))
    folder = output_folder(stack, settings.output)
    chosen = chosen_layers(stack, include)
    plans = []
    by_target = gather_builds(stack, options, chosen, platforms)
    apart = len(by_target) > 1 and not settings.tag_outputs
    for target, builds in by_target.items():
        here = replace(settings, output=folder / target.name if apart else folder)
        layers = expected(builds)
        published = read_published(stack.layers, target, here.output, tag_outputs=here.tag_outputs)
        names = made_here(layers, chosen)
        asked = [in_definition(stack, path) for path in here.delta_from]
        old = read_states(here.output, names, target, asked=asked, earlier=here.deltas > 0)
        plans.append(plan_publish(layers, names, here, published, old))
    return tuple(plans)


def publish(
    stack: Stack,
    settings: PublishOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[PublishResult, ...]:
    """Make an archive of each built layer, and the manifests.

    Args:
        stack: The stack.
        settings: Where to and in which format; the output folder is relative to the definition's folder. With
            several platforms, and without tags in names, each has a folder of its own in it.
        include: Build names of the layers to publish; all by default.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        What was done for each platform, sorted by its name.

    Raises:
        UsageError: There is no such platform, or none of the layers is made for it.
        BuildError: A layer is not built.
        PublishError: An archive cannot be made.
    """
    options = options or Options()
    with held(stack, options) as work:
        plans = plan_publication(stack, settings, include=include, platforms=platforms, options=options)
        made = [archive for plan in plans for archive in plan.archives if archive.action is Action.CREATE]
        built = find_layers(stack, options, [archive.built for archive in made])
        cache = frame_cache(cache_folder(stack, options), options.environ)
        results = []
        for plan in plans:
            archives = tuple(replace(a, built=built.get(a.built.key, a.built)) for a in plan.archives)
            results.append(run_publish(replace(plan, archives=archives), work, cache))
        return tuple(results)


def plan_exporting(
    stack: Stack,
    settings: ExportOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[ExportPlan, ...]:
    """Say what :func:`export` would do, with the same parameters; the layers need not be built."""
    options = options or Options()
    settings = settings or ExportOptions(Path("_export"))
    folder = output_folder(stack, settings.output)
    chosen = chosen_layers(stack, include)
    plans = []
    by_target = gather_builds(stack, options, chosen, platforms)
    for target, builds in by_target.items():
        here = replace(settings, output=folder / target.name if len(by_target) > 1 else folder)
        layers = expected(builds)
        exported = read_exported(stack.layers, target, here.output)
        plans.append(plan_export(layers, made_here(layers, chosen), here, exported))
    return tuple(plans)


def export(
    stack: Stack,
    settings: ExportOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[ExportResult, ...]:
    """Copy built layers side by side into a folder, ready to run.

    Args:
        stack: The stack.
        settings: Where to; the output folder is relative to the definition's folder. With several platforms,
            each has a folder of its own in it.
        include: Build names of the layers to export; all by default.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        What was done for each platform, sorted by its name.

    Raises:
        UsageError: There is no such platform, or none of the layers is made for it.
        BuildError: A layer is not built.
        PublishError: The output folder holds something else under a layer's name.
    """
    options = options or Options()
    with held(stack, options) as work:
        plans = plan_exporting(stack, settings, include=include, platforms=platforms, options=options)
        made = [export for plan in plans for export in plan.exports if export.action is Action.CREATE]
        built = find_layers(stack, options, [export.built for export in made])
        results = []
        for plan in plans:
            exports = tuple(replace(e, built=built.get(e.built.key, e.built)) for e in plan.exports)
            results.append(run_export(replace(plan, exports=exports), work))
        return tuple(results)


def plan_unpacking(
    archives: Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    force: bool = False,
    options: Options | None = None,
) -> tuple[PlannedUnpack, ...]:
    """Say what :func:`unpack` would do, with the same parameters."""
    options = options or Options()
    folder = Path(to).expanduser().absolute()
    return plan_unpack([Path(archive) for archive in archives], folder, force=force, work=Work(jobs=options.jobs))


def unpack(
    archives: Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    force: bool = False,
    options: Options | None = None,
) -> tuple[UnpackedLayer, ...]:
    """Unpack published archives side by side into a folder, verified by their indexes while they are written.

    Args:
        archives: The archives, each with its index beside it; relative to the current folder.
        to: What will hold the layers' folders; made if it is not there.
        force: Whether to replace what is there and is something else.
        options: How; of these, only ``jobs`` and ``observe`` count.

    Returns:
        The layers, in the order of the archives.

    Raises:
        ArchiveError: An archive or its index is damaged, or holds what no layer may hold.
        FilesystemError: Something else is there under a layer's name, or cannot be written.
    """
    options = options or Options()
    work = Work(options.observe, options.jobs)
    try:
        return run_unpack(plan_unpacking(archives, to, force=force, options=options), work)
    finally:
        work.cancellation.cancel()


def shared_libraries(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[LayerLibraries, ...]:
    """Tell which shared libraries the files of built layers need, and who provides them.

    Args:
        stack: The stack.
        include: Build names of the layers to tell of; all by default.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        One entry a layer, platform by platform, each in the stack's order.

    Raises:
        InvalidLockError: A layer has no valid lock.
    """
    chosen = chosen_layers(stack, include)
    found = gather_builds(stack, options or Options(), chosen, platforms)
    builds = {build.key: build for of_target in found.values() for build in of_target}
    return tuple(
        describe_libraries(build, [builds[key] for key in build.keys_below])
        for build in builds.values()
        if build.layer.build_name in chosen
    )


def why(
    stack: Stack, package: str, *, platforms: Collection[str] = (HOST,), options: Options | None = None
) -> tuple[Presence, ...]:
    """Tell which layers have a package or use it, who asked for it, and what it costs.

    Args:
        stack: The stack.
        package: The package's name, in any spelling.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        One entry a layer, platform by platform, each in the stack's order; empty if no layer has it.

    Raises:
        InvalidLockError: A layer has no valid lock.
    """
    builds = gather_builds(stack, options or Options(), chosen_layers(stack, None), platforms)
    return find_presences([build for of_target in builds.values() for build in of_target], package)
