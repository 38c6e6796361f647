"""What a build script calls: lock, build, publish and export a stack."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from venvstacks.building.build import BuildPlan, expected, find_built, inspect_layers, plan_build, run_build
from venvstacks.building.install import Installer
from venvstacks.building.model import BuiltLayer
from venvstacks.building.plan import LayerBuild, load_locks, plan_layers
from venvstacks.errors import UsageError, VenvstacksError
from venvstacks.events import Observer, silent
from venvstacks.files import explain_os_error
from venvstacks.locking.lock import LockedLayer, LockPlan, plan_lock, run_lock
from venvstacks.locking.resolve import Resolver, Sources
from venvstacks.locking.states import lock_states
from venvstacks.platforms.targets import host_target
from venvstacks.publishing.export_plan import ExportOptions, ExportPlan, plan_export, read_exported
from venvstacks.publishing.exporting import ExportResult, run_export
from venvstacks.publishing.plan import Action, PublishOptions, PublishPlan, plan_publish
from venvstacks.publishing.publish import PublishResult, run_publish
from venvstacks.publishing.published import read_published
from venvstacks.runtimes.choice import choose_python, providers
from venvstacks.runtimes.interface import RuntimeProvider
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.selection import extended
from venvstacks.spec import loading
from venvstacks.spec.model import LocalRuntime, Stack
from venvstacks.uv import Uv, find_uv
from venvstacks.work import Work, default_jobs
from venvstacks.workspace import Workspace, workspace


@dataclass(frozen=True, slots=True)
class Options:
    """How work is done; what is done is each function's own.

    Attributes:
        build_dir: The build folder; relative to the definition's folder.
        local_wheels: Folders with wheels; relative to the definition's folder.
        no_index: Whether these folders alone are used.
        check_binaries: Whether native files must fit the layers' targets.
        clean: Whether to make anew what is there, and to forget what was downloaded.
        wait: Whether to wait for another run in the same build folder.
        jobs: How many layers are handled at once.
        observe: Called with each event, from any thread.
        environ: The environment variables that are honoured.
    """

    build_dir: Path = Path("_build")
    local_wheels: tuple[Path, ...] = ()
    no_index: bool = False
    check_binaries: bool = True
    clean: bool = False
    wait: bool = True
    jobs: int = field(default_factory=default_jobs)
    observe: Observer = silent
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True, slots=True)
class _Bench:
    """What the steps of one run share."""

    stack: Stack
    options: Options
    workspace: Workspace
    uv: Uv
    work: Work
    runtimes: RuntimeProvider

    @property
    def wheel_folders(self) -> tuple[Path, ...]:
        return tuple(_in_definition(self.stack, folder) for folder in self.options.local_wheels)


def load_stack(path: str | os.PathLike[str], *, local_runtime: LocalRuntime | None = None) -> Stack:
    """Load and check a definition file.

    Args:
        path: The file; relative to the current folder, ``~`` is expanded.
        local_runtime: Wins over the file's ``local-runtime``.

    Raises:
        DefinitionError: The file cannot be read or used; has all its problems.
    """
    return loading.load_stack(Path(path), local_runtime=local_runtime)


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
    with _bench(stack, options) as bench:
        return _lock(bench, plan_locking(stack, include=include, reset=reset, if_needed=if_needed))


def plan_locking(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    reset: Collection[str] = (),
    if_needed: bool = False,
) -> LockPlan:
    """Say what :func:`lock` would do, with the same parameters."""
    chosen = _chosen(stack, include)
    resolve = reset if if_needed else chosen
    return plan_lock(stack, lock_states(stack), resolve=resolve, needed=chosen, forget_pins=reset)


def _lock(bench: _Bench, plan: LockPlan) -> tuple[LockedLayer, ...]:
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
    lock_if_needed: bool = False,
    reset: Collection[str] = (),
    options: Options | None = None,
) -> tuple[BuiltLayer, ...]:
    """Build layers for this machine's platform, as far as they are not built already.

    Args:
        stack: The stack.
        include: Build names of the layers to build; all by default. Layers below them are built if needed.
        lock_if_needed: Whether to lock first what has no valid lock.
        reset: Build names of layers whose earlier pins are forgotten; only with ``lock_if_needed``.
        options: How.

    Returns:
        These layers and those below them, in the stack's order.

    Raises:
        InvalidLockError: A layer has no valid lock.
        BuildError: A layer cannot be built.
    """
    options = options or Options()
    with _bench(stack, options) as bench:
        chosen = _chosen(stack, include)
        if lock_if_needed:
            needed = extended(stack, {*chosen, *reset}, dependencies=True, derived=False)
            _lock(bench, plan_locking(stack, include=needed, reset=reset, if_needed=True))
        installer = Installer(
            stack, bench.uv, bench.wheel_folders, options.no_index, bench.work, options.check_binaries
        )
        return run_build(plan_building(stack, include=include, options=options), installer, bench.runtimes)


def plan_building(
    stack: Stack, *, include: Collection[str] | None = None, options: Options | None = None
) -> BuildPlan:
    """Say what :func:`build` would do with the present locks.

    Raises:
        InvalidLockError: A layer has no valid lock.
        BuildError: A layer's folder holds what no build put there.
    """
    options = options or Options()
    chosen = _chosen(stack, include)
    builds = _builds(stack, options, chosen)
    inspections = inspect_layers(builds, clean=options.clean)
    return plan_build(builds, inspections, {b.layer.build_name for b in builds} & chosen)


def plan_publication(
    stack: Stack,
    settings: PublishOptions | None = None,
    *,
    include: Collection[str] | None = None,
    options: Options | None = None,
) -> PublishPlan:
    """Say what :func:`publish` would do, with the same parameters.

    Locks and earlier manifests suffice for that: the layers need not be built.
    """
    options = options or Options()
    settings = settings or PublishOptions(Path("_artifacts"))
    settings = replace(settings, output=_output_folder(stack, settings.output))
    chosen = _chosen(stack, include)
    layers = expected(_builds(stack, options, chosen))
    published = read_published(stack.layers, host_target(), settings.output, tag_outputs=settings.tag_outputs)
    return plan_publish(layers, _made_here(layers, chosen), settings, published)


def publish(
    stack: Stack,
    settings: PublishOptions | None = None,
    *,
    include: Collection[str] | None = None,
    options: Options | None = None,
) -> PublishResult:
    """Make an archive of each built layer, and the manifests.

    Args:
        stack: The stack.
        settings: Where to and in which format; the output folder is relative to the definition's folder.
        include: Build names of the layers to publish; all by default.
        options: How.

    Raises:
        BuildError: A layer is not built.
        PublishError: An archive cannot be made.
    """
    options = options or Options()
    with _held(stack, options) as work:
        plan = plan_publication(stack, settings, include=include, options=options)
        new = {archive.layer for archive in plan.archives if archive.action is Action.CREATE}
        built = _find_built(stack, options, new)
        archives = tuple(replace(a, built=built.get(a.layer, a.built)) for a in plan.archives)
        return run_publish(replace(plan, archives=archives), work)


def plan_exporting(
    stack: Stack,
    settings: ExportOptions | None = None,
    *,
    include: Collection[str] | None = None,
    options: Options | None = None,
) -> ExportPlan:
    """Say what :func:`export` would do, with the same parameters; the layers need not be built."""
    options = options or Options()
    settings = settings or ExportOptions(Path("_export"))
    settings = replace(settings, output=_output_folder(stack, settings.output))
    chosen = _chosen(stack, include)
    layers = expected(_builds(stack, options, chosen))
    exported = read_exported(stack.layers, host_target(), settings.output)
    return plan_export(layers, _made_here(layers, chosen), settings, exported)


def export(
    stack: Stack,
    settings: ExportOptions | None = None,
    *,
    include: Collection[str] | None = None,
    options: Options | None = None,
) -> ExportResult:
    """Copy built layers side by side into a folder, ready to run.

    Args:
        stack: The stack.
        settings: Where to; the output folder is relative to the definition's folder.
        include: Build names of the layers to export; all by default.
        options: How.

    Raises:
        BuildError: A layer is not built.
        PublishError: The output folder holds something else under a layer's name.
    """
    options = options or Options()
    with _held(stack, options) as work:
        plan = plan_exporting(stack, settings, include=include, options=options)
        new = {layer.layer for layer in plan.exports if layer.action is Action.CREATE}
        built = _find_built(stack, options, new)
        exports = tuple(replace(e, built=built.get(e.layer, e.built)) for e in plan.exports)
        return run_export(replace(plan, exports=exports), work)


def _find_built(stack: Stack, options: Options, names: Collection[str]) -> dict[str, BuiltLayer]:
    if not names:
        return {}
    found = find_built(_builds(stack, options, names), names)
    return {built.layer.build_name: built for built in found}


def _chosen(stack: Stack, include: Collection[str] | None) -> frozenset[str]:
    names = frozenset(layer.build_name for layer in stack.layers)
    unknown = frozenset(include or ()) - names
    if unknown:
        raise UsageError(f"There is no layer with the build name {', '.join(map(repr, sorted(unknown)))}.")
    return names if include is None else frozenset(include)


def _in_definition(stack: Stack, path: str | os.PathLike[str]) -> Path:
    return Path(os.path.normpath(stack.folder / Path(path).expanduser()))


def _output_folder(stack: Stack, path: str | os.PathLike[str]) -> Path:
    folder = _in_definition(stack, path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"The output folder {folder} is a file.", hint="name another folder")
    return folder


def _made_here(built: Collection[BuiltLayer], chosen: Collection[str]) -> frozenset[str]:
    """Leave out the layers that are not made for this machine's platform."""
    return frozenset(layer.layer.build_name for layer in built) & frozenset(chosen)


def _builds(stack: Stack, options: Options, chosen: Collection[str]) -> tuple[LayerBuild, ...]:
    target = host_target()
    here = {name for name in chosen if stack.layer(name).on(target) is not None}
    if chosen and not here:
        raise UsageError(f"None of the chosen layers is made for this machine's platform, {target.name}.")
    states = lock_states(stack)
    locks = load_locks(stack, states, here)
    modules = {name: states[name].module_hashes for name in locks}
    return plan_layers(stack, locks, modules, target, _in_definition(stack, options.build_dir))


@contextmanager
def _held(stack: Stack, options: Options) -> Iterator[Work]:
    """Hold the build folder, so that no other run changes it meanwhile."""
    folder = _in_definition(stack, options.build_dir)
    with (
        workspace(folder, clean=False, wait=options.wait, observe=options.observe),
        _cancelling(stack, options) as work,
    ):
        yield work


@contextmanager
def _cancelling(stack: Stack, options: Options) -> Iterator[Work]:
    """See that nothing of the work goes on when it ends early, and that no bare OSError leaves it."""
    work = Work(options.observe, options.jobs)
    try:
        yield work
    except VenvstacksError:
        raise
    except OSError as error:
        raise explain_os_error(error, f"work in {_in_definition(stack, options.build_dir)}") from error
    finally:
        work.cancellation.cancel()


@contextmanager
def _bench(stack: Stack, options: Options) -> Iterator[_Bench]:
    folder = _in_definition(stack, options.build_dir)
    with (
        workspace(folder, clean=options.clean, wait=options.wait, observe=options.observe) as space,
        _cancelling(stack, options) as work,
    ):
        uv = find_uv(options.environ, space.scratch)
        managed = ManagedRuntimes(
            uv,
            stack.uv,
            space.downloads,
            work,
            options.environ,
            impatient=stack.local_runtime == "fallback",
        )
        local = LocalRuntimes(options.environ, work)
        runtimes = providers(stack.local_runtime, managed, local, space.downloads, work)
        yield _Bench(stack, options, space, uv, work, runtimes)
