"""Lock the layers of a stack: a plan, then its run."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import InvalidLockError
from venvstacks.events import Finished, Planned, Started, Step
from venvstacks.humanize import counted
from venvstacks.locking.layer_lock import LayerLock, read_time
from venvstacks.locking.lock_layer import resolve_layer
from venvstacks.locking.lock_writer import write_lock
from venvstacks.locking.resolve import Resolver
from venvstacks.locking.states import LockState, check_install_target, load_lock
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.work import Task, run_tasks

ChoosePython = Callable[[Layer, PythonVersion | None], PythonVersion]
"""Chooses the exact Python of a runtime, preferring what its earlier lock recorded."""


@dataclass(frozen=True, slots=True)
class LockPlan:
    """What locking does.

    Attributes:
        states: The present locks of all layers that it is about, in the stack's order.
        resolve: Build names of the layers that are resolved; the valid locks of the others are kept.
        forget_pins: Build names of the layers whose earlier locks are ignored.
    """

    states: tuple[LockState, ...]
    resolve: frozenset[str]
    forget_pins: frozenset[str]


@dataclass(frozen=True, slots=True)
class LockedLayer:
    """What came of one layer.

    Attributes:
        lock: Its lock.
        changed: Whether its files were written again with other content.
    """

    lock: LayerLock
    changed: bool


def plan_lock(
    stack: Stack,
    states: Mapping[str, LockState],
    *,
    resolve: Collection[str],
    needed: Collection[str],
    forget_pins: Collection[str],
) -> LockPlan:
    """Decide which layers are resolved: what is asked for or has no valid lock, and whatever depends on that."""
    wanted = {*resolve, *needed}
    forced = {*resolve, *forget_pins}
    resolved: set[str] = set()
    while True:
        for layer in stack.named(wanted):
            wanted.update(layer.below)
        for layer in stack.named(wanted):
            name = layer.build_name
            depends = not resolved.isdisjoint(layer.below)
            if layer.compatibilities and (name in forced or not states[name].is_valid or depends):
                resolved.add(name)
        above = {layer.build_name for layer in stack.layers if not resolved.isdisjoint(layer.below)}
        if above <= wanted:
            break
        wanted |= above
    planned = tuple(states[layer.build_name] for layer in stack.named(wanted) if layer.compatibilities)
    plan = LockPlan(planned, frozenset(resolved), frozenset(forget_pins) & resolved)
    _check_plan(stack, states, plan)
    return plan


def _check_plan(stack: Stack, states: Mapping[str, LockState], plan: LockPlan) -> None:
    for name, state in states.items():
        if name not in plan.resolve:
            if state.metadata is not None:
                check_install_target(stack, state.layer, state.metadata.lock_version)
        elif state.is_newer and name not in plan.forget_pins:
            raise InvalidLockError(
                f"The lock of {state.layer.title} would be overwritten: {state.reason}.", hint=state.hint
            )


def run_lock(
    resolver: Resolver, plan: LockPlan, choose_python: ChoosePython, environ: Mapping[str, str]
) -> dict[str, LockedLayer]:
    """Carry a plan out: independent layers at the same time."""
    work = resolver.work
    now = choose_time(resolver.stack, environ)
    work.observe(
        Planned(Step.LOCK, tuple(s.layer.build_name for s in plan.states if s.layer.build_name in plan.resolve))
    )

    def lock(state: LockState, done: Mapping[str, LockedLayer]) -> LockedLayer:
        name = state.layer.build_name
        if name not in plan.resolve:
            return LockedLayer(load_lock(resolver.stack, state), changed=False)
        work.observe(Started(Step.LOCK, name))
        started = monotonic()
        below = tuple(done[lower].lock for lower in state.layer.below)
        is_forgotten = name in plan.forget_pins
        earlier_python = None if is_forgotten else state.python
        python = below[-1].python if below else choose_python(state.layer, earlier_python)
        earlier = "" if is_forgotten else state.pylock
        resolution = resolve_layer(resolver, state.layer, python, below, earlier=earlier)
        lock, changed = write_lock(
            resolver.stack,
            state,
            python,
            [lower.install_target for lower in below],
            resolution,
            now=now,
            uv_version=resolver.uv.version,
        )
        summary = f"{counted(len(resolution.packages), 'package')}, {len(resolution.shared)} from below"
        work.observe(Finished(Step.LOCK, name, changed, summary, monotonic() - started))
        return LockedLayer(lock, changed)

    tasks = [
        Task(f"lock {state.layer.build_name}", state.layer.build_name, state.layer.below, partial(lock, state))
        for state in plan.states
    ]
    return run_tasks(tasks, work)


def choose_time(stack: Stack, environ: Mapping[str, str]) -> str:
    """Return the time a new lock records: ``exclude-newer`` if it names one, else now; ISO 8601 in UTC."""
    limit = environ.get("UV_EXCLUDE_NEWER") or stack.uv.table.get("exclude-newer")
    try:
        moment = read_time(str(limit).strip().upper())
    except ValueError:  # none, or a span such as "2 weeks", which counts from now
        moment = datetime.now(UTC)
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
