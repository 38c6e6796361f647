"""Lock the layers of a stack: a plan, then its run."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic

import msgspec

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import InvalidLockError
from venvstacks.events import Finished, Planned, Started, Step
from venvstacks.files import canonical_json, explain_os_error, json_hash, remove_leftovers, write_text
from venvstacks.humanize import counted
from venvstacks.locking.hashes import (
    declared_text,
    lock_input_hash,
    other_inputs_hash,
    requirements_hash,
    version_inputs_hash,
)
from venvstacks.locking.layer_lock import LayerLock, LockMetadata
from venvstacks.locking.lock_paths import lock_paths
from venvstacks.locking.pylock import pylock_text
from venvstacks.locking.resolve import Resolution, Resolver, lock_time, resolve_layer, write_summary
from venvstacks.locking.states import (
    LockState,
    check_install_target,
    install_target,
    load_lock,
    python_of,
    way_out,
)
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.work import Task, run_tasks

ChoosePython = Callable[[Layer, PythonVersion | None], PythonVersion]
"""Gives the exact Python of a runtime, preferring what its earlier lock recorded."""


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """What locking does with one layer.

    Attributes:
        layer: The layer.
        state: Its present lock.
        resolve: Whether it is resolved; otherwise its valid lock is kept.
        forget_pins: Whether the earlier lock has no say.
    """

    layer: Layer
    state: LockState
    resolve: bool
    forget_pins: bool


@dataclass(frozen=True, slots=True)
class LockPlan:
    """What locking does, layer by layer, in the stack's order."""

    layers: tuple[LayerPlan, ...]


@dataclass(frozen=True, slots=True)
class LockedLayer:
    """What came of one layer.

    Attributes:
        lock: Its lock.
        changed: Whether its files were written anew with other content.
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
    """Decide which layers are resolved."""
    wanted = {*resolve, *needed}
    anew: set[str] = set()
    while True:
        for layer in stack.named(wanted):
            wanted.update(layer.below)
        for layer in stack.named(wanted):
            name = layer.build_name
            forced = name in resolve or name in forget_pins
            if layer.compatibilities and (forced or not states[name].is_valid or not anew.isdisjoint(layer.below)):
                anew.add(name)
        above = {layer.build_name for layer in stack.layers if not anew.isdisjoint(layer.below)}
        if above <= wanted:
            break
        wanted |= above
    plans = tuple(
        LayerPlan(states[name].layer, states[name], name in anew, name in forget_pins)
        for name in (layer.build_name for layer in stack.named(wanted) if layer.compatibilities)
    )
    _check_plan(stack, states, plans)
    return LockPlan(plans)


def _check_plan(stack: Stack, states: Mapping[str, LockState], plans: Collection[LayerPlan]) -> None:
    for item in plans:
        if item.resolve and item.state.is_newer and not item.forget_pins:
            raise InvalidLockError(
                f"The lock of {item.layer.title} would be overwritten: {item.state.reason}.",
                hint=way_out(item.state),
            )
    resolved = {item.layer.build_name for item in plans if item.resolve}
    for name, state in states.items():
        if state.metadata is not None and name not in resolved:
            check_install_target(stack, state.layer, state.metadata.lock_version)


def run_lock(
    resolver: Resolver, plan: LockPlan, choose_python: ChoosePython, environ: Mapping[str, str]
) -> dict[str, LockedLayer]:
    """Carry a plan out: independent layers at the same time."""
    stack, work = resolver.stack, resolver.work
    now = lock_time(stack, environ)
    work.observe(Planned(Step.LOCK, tuple(item.layer.build_name for item in plan.layers if item.resolve)))

    def lock(item: LayerPlan, done: Mapping[str, LockedLayer]) -> LockedLayer:
        locks = {name: locked.lock for name, locked in done.items()}
        if not item.resolve:
            return LockedLayer(load_lock(stack, item.state, locks), changed=False)
        name = item.layer.build_name
        work.observe(Started(Step.LOCK, name))
        started = monotonic()
        below = tuple(locks[lower] for lower in item.layer.below)
        if below:
            python = below[-1].python
        else:
            python = choose_python(item.layer, None if item.forget_pins else python_of(item.state))
        resolution = resolve_layer(resolver, item.layer, python, below, forget_pins=item.forget_pins)
        locked = _write(resolver, item, LayerContent(python, below, resolution), now)
        summary = f"{counted(len(resolution.packages), 'package')}, {len(resolution.shared)} from below"
        work.observe(Finished(Step.LOCK, name, locked.changed, summary, monotonic() - started))
        return locked

    tasks = [
        Task(f"lock {item.layer.build_name}", item.layer.build_name, item.layer.below, partial(lock, item))
        for item in plan.layers
    ]
    return run_tasks(tasks, work)


@dataclass(frozen=True, slots=True)
class LayerContent:
    """What a layer's new lock is made of.

    Attributes:
        python: The exact base Python.
        below: The locks of the layers below, in path order.
        resolution: Its packages.
    """

    python: PythonVersion
    below: tuple[LayerLock, ...]
    resolution: Resolution


def _write(resolver: Resolver, item: LayerPlan, content: LayerContent, now: str) -> LockedLayer:
    layer, stack = item.layer, resolver.stack
    python, below, resolution = content.python, content.below, content.resolution
    text = pylock_text(layer, resolution.packages, resolution.shared)
    fresh = LockMetadata(
        requirements_hash=requirements_hash(text),
        lock_input_hash=lock_input_hash(layer),
        other_inputs_hash=other_inputs_hash(stack, layer, python, [lock.install_target for lock in below]),
        version_inputs_hash=version_inputs_hash(layer, item.state.module_hashes),
        lock_version=1,
        locked_at=now,
        python_version=python.release,
        tool_versions={"uv": str(resolver.uv.version), "venvstacks": _own_version()},
    )
    metadata = _versioned(layer, _earlier(item.state, resolution, fresh), fresh)
    check_install_target(stack, layer, metadata.lock_version)
    paths = lock_paths(stack, layer)
    try:
        remove_leftovers(paths.folder)
        if (old := paths.folder / f"packages-{layer.build_name.replace('.', '_')}.txt") != paths.summary:
            old.unlink(missing_ok=True)
        changed = write_text(paths.declared, declared_text(layer))
        changed |= write_text(paths.pylock, text)
        write_summary(paths.summary, layer, resolution)
        # the metadata comes last: until it stands, the lock is not valid, and locking again mends it
        changed |= write_text(paths.metadata, canonical_json(msgspec.structs.asdict(metadata)))
    except OSError as error:
        raise explain_os_error(error, f"write the lock of {layer.title}") from error
    lock = LayerLock(
        layer.build_name,
        install_target(layer, metadata.lock_version),
        python,
        resolution.packages,
        resolution.shared,
        metadata,
    )
    return LockedLayer(lock, changed)


def _earlier(state: LockState, resolution: Resolution, fresh: LockMetadata) -> LockMetadata | None:
    """Return the earlier metadata; where only the format of venvstacks 0.8 differs, with what a new lock has."""
    legacy, metadata = state.legacy, state.metadata
    if metadata is None or legacy is None or not legacy.agrees_with(resolution.packages, resolution.shared):
        return metadata
    return msgspec.structs.replace(
        metadata, requirements_hash=fresh.requirements_hash, tool_versions=fresh.tool_versions
    )


def _versioned(layer: Layer, earlier: LockMetadata | None, fresh: LockMetadata) -> LockMetadata:
    """Carry over what an unchanged lock keeps, or raise the version of a changed one."""
    if earlier is None:
        return fresh
    if _content(earlier, versioned=layer.versioned) == _content(fresh, versioned=layer.versioned):
        keeps_version = layer.versioned or earlier.lock_version == 1
        return earlier if keeps_version else msgspec.structs.replace(earlier, lock_version=1)
    return msgspec.structs.replace(fresh, lock_version=earlier.lock_version + 1) if layer.versioned else fresh


def _content(metadata: LockMetadata, *, versioned: bool) -> str:
    """Identify what a lock says, apart from when and with what it was made."""
    return json_hash(
        [
            metadata.requirements_hash,
            metadata.lock_input_hash,
            metadata.other_inputs_hash,
            metadata.version_inputs_hash if versioned else None,  # sources are no part of other locks
            metadata.python_version,
        ]
    )


def _own_version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - only locking needs it

    return version("venvstacks")
