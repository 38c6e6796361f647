"""Locking and building, joined from the rooms below."""

from collections.abc import Collection

from venvstacks.building.build_run import BuildPlan, run_build
from venvstacks.building.inspection import inspect_layers
from venvstacks.building.layer_build import LayerBuild
from venvstacks.builds import StackBuilds
from venvstacks.files import remove_tree
from venvstacks.locking.lock_plan import LockPlan, plan_lock
from venvstacks.locking.lock_run import LockedLayer, run_lock
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.runtimes.providers import RuntimeProvider, choose_provider, choose_python
from venvstacks.selection import choose_layers
from venvstacks.session import Session
from venvstacks.workspace import PRIVATE_FOLDER


def open_runtimes(session: Session) -> RuntimeProvider:
    """Return where base Pythons come from; for a clean build, nothing that was downloaded before."""
    policy, environ = session.stack.local_runtime, session.options.environ
    downloads = session.build_folder / PRIVATE_FOLDER / "pythons"
    if session.options.clean:
        remove_tree(downloads)
    managed = ManagedRuntimes(
        session.uv, session.stack.uv, downloads, session.work, environ, impatient=policy == "fallback"
    )
    return choose_provider(policy, managed, LocalRuntimes(environ, session.work), downloads, session.work)


def make_lock_plan(
    builds: StackBuilds, include: Collection[str] | None, reset: Collection[str], *, if_needed: bool
) -> LockPlan:
    """Decide which layers are locked."""
    stack = builds.stack
    chosen, reset = choose_layers(stack, include), choose_layers(stack, reset, "reset")
    return plan_lock(
        stack, builds.states, resolve=reset if if_needed else chosen, needed=chosen, forget_pins=reset
    )


def run_locking(
    session: Session, runtimes: RuntimeProvider, builds: StackBuilds, plan: LockPlan
) -> tuple[LockedLayer, ...]:
    """Lock what is planned."""
    try:
        locked = run_lock(session, plan, lambda layer, earlier: choose_python(runtimes, layer, earlier))
    finally:
        if plan.resolve:
            builds.forget()
    return tuple(locked.values())


def make_build_plan(
    builds: StackBuilds, include: Collection[str] | None, platforms: Collection[str], *, clean: bool
) -> BuildPlan:
    """Look at the folders of layers, and decide which of them are built."""
    layers = builds.select(choose_layers(builds.stack, include), platforms)
    return BuildPlan(layers, inspect_layers(layers, clean=clean))


def run_building(
    session: Session, runtimes: RuntimeProvider, builds: StackBuilds, plan: BuildPlan
) -> tuple[LayerBuild, ...]:
    """Build what is planned."""
    builds.forget_builds()
    built = run_build(plan, session, runtimes)
    builds.update(built)
    return built
