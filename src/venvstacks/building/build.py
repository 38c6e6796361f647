"""Build layers: a plan, then its run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from venvstacks.building.assemble import assemble
from venvstacks.building.bytecode import BytecodeMaker, bytecode_maker, needs_runtime, ship_bytecode
from venvstacks.building.checks import check_layer, read_contents
from venvstacks.building.install import Installer, install_packages
from venvstacks.building.model import BuiltLayer
from venvstacks.building.native import check_native
from venvstacks.building.plan import Key, LayerBuild
from venvstacks.building.schemes import make_scheme_python
from venvstacks.building.state import STATE_FILE, Inspection, built_with, inspect, layer_entries, write_state
from venvstacks.building.wheel_safety import check_names
from venvstacks.errors import BuildError, RequirementsError
from venvstacks.events import Finished, Planned, Started, Step, Warned
from venvstacks.files import explain_os_error, json_hash, remove_tree, replace_tree, temporary_beside
from venvstacks.runtimes.interface import RuntimeProvider
from venvstacks.spec.model import LayerKind
from venvstacks.trees import Entry
from venvstacks.wording import counted, size_text
from venvstacks.work import Task, run_tasks


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """What building does with one layer.

    Attributes:
        build: The layer and all that decides its content.
        inspection: What stands in its folder, and why that is not enough if it is not.
    """

    build: LayerBuild
    inspection: Inspection

    @property
    def name(self) -> str:
        """The layer's build name."""
        return self.build.layer.build_name

    @property
    def key(self) -> Key:
        """What tells the piece of work from all others."""
        return self.build.key

    @property
    def reason(self) -> str:
        """Why the layer is built; empty if it is kept."""
        return self.inspection.reason


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What building does, target by target, layer by layer in the stack's order."""

    layers: tuple[PlannedBuild, ...]


def plan_build(builds: Sequence[LayerBuild], *, clean: bool) -> BuildPlan:
    """Look at the folders of layers, and decide which of them are built.

    Args:
        builds: All layers that are wanted or needed below one that is, for each target in the stack's order.
        clean: Whether what was added to or changed in them may be lost.

    Raises:
        BuildError: A folder is not what a build left there (with ``clean``: not a layer's folder at all).
    """
    return BuildPlan(tuple(PlannedBuild(build, _inspected(build, clean=clean)) for build in builds))


def _inspected(build: LayerBuild, *, clean: bool) -> Inspection:
    if clean and (build.folder / STATE_FILE).is_file():
        return Inspection((), "a clean build is wanted")
    inspection = inspect(build)
    if inspection.reason or inspection.local_runtime == build.local_runtime:
        return inspection
    return Inspection((), f"it was built with local-runtime = {inspection.local_runtime!r}")


def run_build(plan: BuildPlan, installer: Installer, runtimes: RuntimeProvider) -> tuple[BuiltLayer, ...]:
    """Carry a plan out, independent layers of all targets at the same time, then check the result.

    Args:
        plan: What to do.
        installer: What packages are installed with.
        runtimes: Where base Pythons come from.

    Returns:
        The layers, in the plan's order.

    Raises:
        BuildError: A layer cannot be built; what stood in its place before is still there.
        RequirementsError: Packages do not find what they require.
    """
    work = installer.work
    work.observe(Planned(Step.BUILD, tuple(item.name for item in plan.layers if item.reason)))
    if any(item.reason for item in plan.layers):
        make_scheme_python(installer.scratch)
    # A layer's own build seldom needs the layers below it: its links are relative and its packages come from
    # its lock. So most layers are independent here, and the checks see them together.
    made = [item.build for item in plan.layers if item.reason]
    with bytecode_maker(made, runtimes, installer.uv.environ, installer.scratch, work) as maker:
        tasks = [
            Task[Key, BuiltLayer](item.key, _needs(item.build), partial(_build, item, installer, runtimes, maker))
            for item in plan.layers
        ]
        built = run_tasks(tasks, work)
    _name_install_targets(plan)
    _check(plan, built, installer)
    return tuple(built.values())


def _needs(build: LayerBuild) -> tuple[Key, ...]:
    """Say which layers have to stand before this one can be built."""
    runtime = build.target.name, build.layer.runtime
    # on Windows, an environment holds copies of its runtime's launchers
    is_needed = build.target.is_windows or needs_runtime(build)
    return (runtime,) if is_needed and build.key != runtime else ()


def _build(
    item: PlannedBuild,
    installer: Installer,
    runtimes: RuntimeProvider,
    maker: BytecodeMaker,
    done: Mapping[Key, BuiltLayer],
) -> BuiltLayer:
    build = item.build
    entries = item.inspection.entries
    observe, (platform, name) = installer.work.observe, item.key
    if not item.reason:
        if installer.check_binaries and not item.inspection.fits:
            check_native(build, entries, build.folder)
        observe(Finished(Step.BUILD, name, False, "up to date", 0.0, platform))  # noqa: FBT003
    else:
        observe(Started(Step.BUILD, name, platform))
        started = monotonic()
        below = {key: done[key].folder for key in _needs(build)}
        try:
            entries = _make(build, installer, runtimes, maker, below)
        except OSError as error:
            raise explain_os_error(error, f"build {build.layer.title} for {platform}") from error
        size = sum(entry.size for entry in entries)
        packages = counted(len(build.lock.wheels_on(build.target)), "package")
        summary = f"{packages}, {size_text(size)}"
        observe(Finished(Step.BUILD, name, True, summary, monotonic() - started, platform))  # noqa: FBT003
    return _built(build, entries, build.local_runtime)


def _built(build: LayerBuild, entries: tuple[Entry, ...], local_runtime: str) -> BuiltLayer:
    # a copied interpreter has other bytes than a managed one, so what holds it is another archive
    is_managed = local_runtime in {"", "never"}
    inputs_hash = build.inputs_hash if is_managed else json_hash([build.inputs_hash, local_runtime])
    return BuiltLayer(
        layer=build.layer,
        lock=build.lock,
        below=build.below,
        target=build.target,
        folder=build.folder,
        inputs_hash=inputs_hash,
        module_hashes=build.module_hashes,
        entries=entries,
    )


def _make(
    build: LayerBuild,
    installer: Installer,
    runtimes: RuntimeProvider,
    maker: BytecodeMaker,
    below: Mapping[Key, Path],
) -> tuple[Entry, ...]:
    staging = temporary_beside(build.folder)
    staging.parent.mkdir(parents=True, exist_ok=True)
    try:
        if build.layer.kind is LayerKind.RUNTIME:
            runtimes.fetch(build.lock.python, build.compatibility, staging)
        else:
            staging.mkdir()
        install_packages(installer, build, staging)
        assemble(build, staging, below)
        try:
            entries = layer_entries(staging, build.target)
        except ValueError as error:
            raise BuildError(f"{build.headline} cannot be built: {error}.") from error
        check_names(entries, build.layer.title, build.compatibility)
        if installer.check_binaries:
            check_native(build, entries, staging)
        entries = ship_bytecode(maker, build, entries, staging, below)
        write_state(staging, build, entries, checked=False, fits=installer.check_binaries)
        installer.work.cancellation.check()
        replace_tree(staging, build.folder)
    finally:
        remove_tree(staging)
    return entries


def _name_install_targets(plan: BuildPlan) -> None:
    """Make versioned layers reachable under their install targets, which the layers above refer to."""
    for item in plan.layers:
        folder, target = item.build.folder, item.build.lock.install_target
        link = folder.with_name(target)
        if target == folder.name or item.build.target.is_windows:
            continue
        for old in folder.parent.iterdir():
            if old.is_symlink() and old != link and _names_version_of(old.name, folder.name):
                old.unlink()
        if link.is_symlink() and link.readlink().as_posix() != folder.name:
            link.unlink()
        if link.exists():
            if not link.is_symlink():
                raise BuildError(
                    f"{item.build.headline} cannot be named {target}: {link} was not made by venvstacks.",
                    hint="move it away, or choose another folder with --build-dir",
                )
        else:
            link.symlink_to(folder.name)


def _names_version_of(name: str, build_name: str) -> bool:
    base, _, version = name.rpartition("@")
    return base == build_name and version.isdecimal()


def _check(plan: BuildPlan, built: Mapping[Key, BuiltLayer], installer: Installer) -> None:
    """Check all layers: also one that was not built now may stand on one that was."""
    contents = {item.key: read_contents(item.build) for item in plan.layers}
    checks = {key: check_layer(contents, key, installer.stack.uv) for key in contents}
    for warning in dict.fromkeys(warning for check in checks.values() for warning in check.warnings):
        installer.work.observe(Warned(warning))
    for item in plan.layers:
        passed = not checks[item.key].problems
        fits = installer.check_binaries or (item.inspection.fits and not item.reason)
        if item.reason or (item.inspection.checked, item.inspection.fits) != (passed, fits):
            # a layer that is not checked is not used for anything, and checked again by the next build
            write_state(item.build.folder, item.build, built[item.key].entries, checked=passed, fits=fits)
    problems = {problem: None for check in checks.values() for problem in check.problems}
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise RequirementsError(
            f"Layers were built, but packages in them do not find what they require:{listed}",
            hint="lock again; if an override in [tool.uv] is the cause, mend it or exclude the dependency there",
        )


def expected(builds: Sequence[LayerBuild]) -> tuple[BuiltLayer, ...]:
    """Describe layers as building them will make them, whether they are built or not; without entries."""
    return tuple(_built(build, (), built_with(build)) for build in builds)


def find_built(builds: Sequence[LayerBuild]) -> tuple[BuiltLayer, ...]:
    """Give layers that are built and current, for publishing and exporting them.

    Raises:
        BuildError: A layer is not built, or its inputs have changed since.
    """
    built = []
    for build in builds:
        inspection = inspect(build)
        unchecked = "" if inspection.checked else "its packages were not found to see what they require"
        if inspection.reason or unchecked:
            is_alike = inspection.bytecode in {None, build.bytecode}
            way = "" if is_alike else "give the --bytecode that the layer was built with, or "
            raise BuildError(
                f"{build.headline} in {build.folder} cannot be used: {inspection.reason or unchecked}.",
                hint=f"{way}run `venvstacks build` first",
            )
        built.append(_built(build, inspection.entries, inspection.local_runtime))
    return tuple(built)
