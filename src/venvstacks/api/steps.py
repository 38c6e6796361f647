"""Locking and building, as steps of a project."""

from venvstacks.building.build_run import BuildPlan, run_build
from venvstacks.building.layer_build import LayerBuild
from venvstacks.builds import StackBuilds
from venvstacks.files import remove_tree
from venvstacks.locking.lock_plan import LockPlan
from venvstacks.locking.lock_run import LockedLayer, run_lock
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.runtimes.providers import RuntimeProvider, choose_provider, choose_python
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


def run_building(
    session: Session, runtimes: RuntimeProvider, builds: StackBuilds, plan: BuildPlan
) -> tuple[LayerBuild, ...]:
    """Build what is planned."""
    builds.forget_builds()
    built = run_build(plan, session, runtimes)
    builds.update(built)
    return built
