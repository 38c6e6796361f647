"""Build layers: a plan, then its run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from venvstacks.building.build_plan import Key, LayerBuild
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.building.built_layers import RELINKED, described, is_relinked
from venvstacks.building.bytecode import bytecode_compiler
from venvstacks.building.checks import check_layer, read_contents, way_out
from venvstacks.building.install import Installer
from venvstacks.building.layer_builder import Filled, Maker, PlannedBuild, StepKey
from venvstacks.building.schemes import make_scheme_python
from venvstacks.building.state import STATE_FILE, Inspection, inspect, write_state
from venvstacks.errors import BuildError, RequirementsError
from venvstacks.events import Planned, Step, Warned
from venvstacks.files import remove_tree, temporary_beside
from venvstacks.runtimes.interface import RuntimeProvider
from venvstacks.work import Task, run_tasks


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What building does, target by target, layer by layer in the stack's order."""

    layers: tuple[PlannedBuild, ...]


def plan_build(builds: Sequence[LayerBuild], *, clean: bool) -> BuildPlan:
    """Look at the folders of layers, and decide which of them are built."""
    found = {build.key: _inspected(build, clean=clean) for build in builds}
    kept = {key: inspection for key, inspection in found.items() if not inspection.reason}
    for build in builds:
        if build.key in kept and is_relinked(build, builds, kept):
            found[build.key] = RELINKED
    return BuildPlan(tuple(PlannedBuild(build, found[build.key]) for build in builds))


def _inspected(build: LayerBuild, *, clean: bool) -> Inspection:
    if clean and (build.folder / STATE_FILE).is_file():
        return Inspection((), "a clean build is wanted")
    inspection = inspect(build)
    if inspection.reason or inspection.local_runtime == build.local_runtime:
        return inspection
    return Inspection((), f"it was built with local-runtime = {inspection.local_runtime!r}")


def run_build(plan: BuildPlan, installer: Installer, runtimes: RuntimeProvider) -> tuple[BuiltLayer, ...]:
    """Carry a plan out, independent layers of all targets at the same time, then check the result."""
    work = installer.work
    work.observe(Planned(Step.BUILD, tuple(item.name for item in plan.layers if item.reason)))
    if any(item.reason for item in plan.layers):
        make_scheme_python(installer.scratch)
    staging = {item.key: temporary_beside(item.build.folder) for item in plan.layers}
    builds = {item.key: item.build for item in plan.layers}
    made = [item.build for item in plan.layers if item.reason]
    # A layer is seldom filled from those below it: its links are relative, its packages come from its lock. Only
    # then does it matter what these offer: shared libraries. The checks see all layers together.
    with bytecode_compiler(made, runtimes, installer.uv.environ, installer.scratch, work) as compiling:
        makers = [Maker(item, builds, installer, runtimes, compiling, staging[item.key]) for item in plan.layers]
        fill = [_task("fill", maker, maker.needs_to_fill, maker.fill) for maker in makers]
        finish = [_task("finish", maker, maker.needs_to_finish, maker.finish) for maker in makers]
        try:
            done = run_tasks([*fill, *finish], work)
        finally:
            for folder in staging.values():
                remove_tree(folder)
    found = {item.key: done["finish", item.key].inspection for item in plan.layers}
    _name_install_targets(plan)
    _check(plan, found, installer)
    return tuple(described(build, found[key], build.local_runtime) for key, build in builds.items())


def _task(
    step: str, maker: Maker, needs: tuple[StepKey, ...], run: Callable[[Mapping[StepKey, Filled]], Filled]
) -> Task[StepKey, Filled]:
    return Task(f"{step} {maker.item.name} for {maker.item.build.target.name}", (step, maker.item.key), needs, run)


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


def _check(plan: BuildPlan, found: Mapping[Key, Inspection], installer: Installer) -> None:
    """Check all layers: also one that was not built now may stand on one that was."""
    contents = {item.key: read_contents(item.build, found[item.key].parts) for item in plan.layers}
    checks = {key: check_layer(contents, key, installer.stack.uv) for key in contents}
    for warning in dict.fromkeys(warning for check in checks.values() for warning in check.warnings):
        installer.work.observe(Warned(warning))
    for item in plan.layers:
        passed = not checks[item.key].problems
        fits = installer.check_binaries or found[item.key].fits
        after = replace(found[item.key], checked=passed, fits=fits)
        if after != item.inspection:
            # a layer that is not checked is not used for anything, and checked again by the next build
            write_state(item.build.folder, item.build, after)
    problems = {problem: None for check in checks.values() for problem in check.problems}
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise RequirementsError(
            f"Layers were built, but packages in them do not find what they require:{listed}",
            hint=way_out(checks.values()),
        )
