"""Locking, joined from the rooms below."""

from collections.abc import Collection

from venvstacks.builds import StackBuilds
from venvstacks.locking.lock_plan import LockPlan, plan_lock
from venvstacks.locking.lock_run import LockedLayer, run_lock
from venvstacks.locking.resolve import Resolver
from venvstacks.runtimes.providers import choose_python
from venvstacks.selection import choose_layers
from venvstacks.session import Session


def plan_locking(
    builds: StackBuilds, include: Collection[str] | None, reset: Collection[str], *, if_needed: bool
) -> LockPlan:
    """Decide which layers are locked."""
    stack = builds.stack
    chosen, reset = choose_layers(stack, include), choose_layers(stack, reset, "reset")
    return plan_lock(
        stack, builds.states, resolve=reset if if_needed else chosen, needed=chosen, forget_pins=reset
    )


def run_locking(session: Session, builds: StackBuilds, plan: LockPlan) -> tuple[LockedLayer, ...]:
    """Lock what is planned."""
    runtimes = session.runtimes
    no_index = session.options.no_index
    resolver = Resolver(session.stack, session.uv, session.scratch, session.wheel_folders, no_index, session.work)
    try:
        locked = run_lock(
            resolver, plan, lambda layer, earlier: choose_python(runtimes, layer, earlier), session.options.environ
        )
    finally:
        if plan.resolve:
            builds.forget()
    return tuple(locked.values())
