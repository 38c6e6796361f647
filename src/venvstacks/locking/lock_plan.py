"""Decide which layers of a stack are locked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from venvstacks.definition.stack import Stack
from venvstacks.errors import InvalidLockError
from venvstacks.locking.states import LockState, check_install_target


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
