"""Building, joined from the rooms below."""

from collections.abc import Collection

from venvstacks.building.build_run import BuildPlan, run_build
from venvstacks.building.inspection import inspect_layers
from venvstacks.building.install import Installer
from venvstacks.building.layer_build import LayerBuild
from venvstacks.builds import StackBuilds
from venvstacks.selection import choose_layers
from venvstacks.session import Session


def plan_building(
    builds: StackBuilds, include: Collection[str] | None, platforms: Collection[str], *, clean: bool
) -> BuildPlan:
    """Look at the folders of layers, and decide which of them are built."""
    by_target = builds.select(choose_layers(builds.stack, include), platforms)
    layers = tuple(build for of_target in by_target.values() for build in of_target)
    return BuildPlan(layers, inspect_layers(layers, clean=clean))


def run_building(session: Session, builds: StackBuilds, plan: BuildPlan) -> tuple[LayerBuild, ...]:
    """Build what is planned."""
    stack, options = session.stack, session.options
    strict = stack.strict if options.strict is None else options.strict
    installer = Installer(
        stack,
        session.uv,
        session.wheel_folders,
        options.no_index,
        session.scratch,
        session.work,
        options.check_binaries,
        strict,
    )
    builds.forget_builds()
    built = run_build(plan, installer, session.runtimes)
    builds.update(built)
    return built
