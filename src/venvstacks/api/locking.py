"""What a build script calls: lock."""

from collections.abc import Collection

from venvstacks.builds import chosen_layers
from venvstacks.definition.stack import Stack
from venvstacks.locking.lock_run import LockedLayer, LockPlan, plan_lock, run_lock
from venvstacks.locking.resolve import Resolver, Sources
from venvstacks.locking.states import lock_states
from venvstacks.options import Options
from venvstacks.runtimes.choice import choose_python
from venvstacks.session import Bench, new_bench


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
        return run_locking(bench, plan_locking(stack, include=include, reset=reset, if_needed=if_needed))


def plan_locking(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    reset: Collection[str] = (),
    if_needed: bool = False,
) -> LockPlan:
    """Describe what :func:`lock` would do, with the same parameters."""
    chosen, reset = chosen_layers(stack, include), chosen_layers(stack, reset, "reset")
    resolve = reset if if_needed else chosen
    return plan_lock(stack, lock_states(stack), resolve=resolve, needed=chosen, forget_pins=reset)


def run_locking(bench: Bench, plan: LockPlan) -> tuple[LockedLayer, ...]:
    """Lock what is planned, with what a run has at hand."""
    sources = Sources(bench.wheel_folders, bench.options.no_index)
    resolver = Resolver(bench.stack, bench.uv, bench.workspace.scratch, sources, bench.work)
    locked = run_lock(
        resolver, plan, lambda layer, earlier: choose_python(bench.runtimes, layer, earlier), bench.options.environ
    )
    return tuple(locked.values())
