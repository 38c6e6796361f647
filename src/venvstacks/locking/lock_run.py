"""Lock the layers of a stack, as planned: resolve, divide, write, and explain what cannot be locked."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic

from packaging.utils import canonicalize_name

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import ResolutionError
from venvstacks.events import Finished, Planned, Started, Step, Warned
from venvstacks.humanize import counted
from venvstacks.locking.divide import (
    Gap,
    Provided,
    check_agreement,
    divide,
    find_provided,
    format_constraints,
    overridden_names,
)
from venvstacks.locking.earlier import check_local, list_local, read_earlier, warn_of_versions
from venvstacks.locking.layer_lock import LayerLock, Resolution, lock_folder, read_time
from venvstacks.locking.lock_plan import LockPlan
from venvstacks.locking.lock_writer import write_lock
from venvstacks.locking.missing import Search, explain_gaps, explain_missing_wheels
from venvstacks.locking.pylock import Candidates
from venvstacks.locking.resolve import check_environments, names_in, resolve, resolve_once
from venvstacks.locking.states import LockState, load_lock
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.session import Session
from venvstacks.work import Task, run_tasks

ChoosePython = Callable[[Layer, PythonVersion | None], PythonVersion]
"""Chooses the exact Python of a runtime, preferring what its earlier lock recorded."""


@dataclass(frozen=True, slots=True)
class LockedLayer:
    """The result of locking one layer.

    Attributes:
        lock: Its lock.
        changed: Whether its files were written again with other content.
    """

    lock: LayerLock
    changed: bool


def run_lock(session: Session, plan: LockPlan, choose_python: ChoosePython) -> dict[str, LockedLayer]:
    """Carry a plan out: independent layers at the same time."""
    work = session.work
    now = choose_time(session.stack, session.options.environ)
    work.observe(
        Planned(Step.LOCK, tuple(s.layer.build_name for s in plan.states if s.layer.build_name in plan.resolve))
    )

    def lock_layer(state: LockState, done: Mapping[str, LockedLayer]) -> LockedLayer:
        name = state.layer.build_name
        if name not in plan.resolve:
            return LockedLayer(load_lock(session.stack, state), changed=False)
        work.observe(Started(Step.LOCK, name))
        started = monotonic()
        below = tuple(done[lower].lock for lower in state.layer.below)
        is_forgotten = name in plan.forget_pins
        earlier_python = None if is_forgotten else state.python
        python = below[-1].python if below else choose_python(state.layer, earlier_python)
        earlier = "" if is_forgotten else state.pylock
        resolution = _resolve_layer(session, state.layer, python, below, earlier=earlier)
        lock, changed = write_lock(
            session.stack,
            state,
            python,
            [lower.install_target for lower in below],
            resolution,
            now=now,
            uv_version=session.uv.version,
        )
        summary = f"{counted(len(resolution.packages), 'package')}, {len(resolution.shared)} from below"
        work.observe(Finished(Step.LOCK, name, changed, summary, monotonic() - started))
        return LockedLayer(lock, changed)

    tasks = [
        Task(
            f"lock {state.layer.build_name}", state.layer.build_name, state.layer.below, partial(lock_layer, state)
        )
        for state in plan.states
    ]
    return run_tasks(tasks, work)


def _resolve_layer(
    session: Session, layer: Layer, python: PythonVersion, below: Sequence[LayerLock], *, earlier: str
) -> Resolution:
    """Resolve a layer's requirements for all its targets, with the pins of an earlier lock, given as text."""
    stack = session.stack
    provided = find_provided(layer, below)
    check_agreement(layer, python, provided, overridden_names(stack.uv))
    if not layer.requirements:
        return Resolution()
    check_environments(layer, python, stack.uv)
    before = read_earlier(earlier)
    folder = session.scratch / f"lock-{layer.build_name}"
    tries = count(1)

    def attempt(wish: Layer, place: Path, pins: str = "") -> tuple[Resolution, Sequence[Gap]]:
        constraints = list(format_constraints(wish, provided))
        candidates = resolve(session, wish, python, place, constraints=constraints, earlier=pins)
        return divide(wish, python, candidates, provided, lock_folder=lock_folder(stack, layer), resolved_in=place)

    def offers_of(wish: Layer, *, source_distributions: bool = False) -> Candidates:
        place = folder / f"try-{next(tries)}"
        return resolve_once(
            session, wish, python, place, dependencies=False, source_distributions=source_distributions
        )

    search = Search(
        lambda wish: attempt(wish, folder / f"try-{next(tries)}")[1],
        offers_of,
        partial(offers_of, source_distributions=True),
    )
    try:
        resolution, gaps = attempt(layer, folder, earlier if before else "")
    except ResolutionError as error:
        unresolved = _explain(layer, provided, error, list_local(before))
        raise explain_missing_wheels(layer, python, error, search) or unresolved from error
    if gaps:
        raise explain_gaps(layer, python, gaps, search)
    check_local(layer, resolution.packages, before)
    for warning in warn_of_versions(layer, resolution.packages, before, search):
        session.work.observe(Warned(warning))
    return resolution


def _explain(layer: Layer, provided: Provided, error: ResolutionError, local: Collection[str]) -> ResolutionError:
    """Explain with which layers below, or with which forgotten folder, a failed resolution may have to do."""
    compared = re.findall(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\]|\{[^}]*\})?==", error.message)
    culprits = sorted({canonicalize_name(name) for name in compared} & provided.keys())
    hint = None
    if forgotten := sorted(names_in(error.message) & set(local)):
        hint = f"the earlier lock takes {', '.join(forgotten)} from a local folder: name it with --local-wheels"
    if culprits:
        owners = {name: next(iter(provided[name].values()))[1] for name in culprits}
        names = ", ".join(f"{name} (locked by {owners[name]!r})" for name in culprits)
        hint = f"layers below decide the version of {names}: change the requirements there or here"
        on_targets = [item for name in culprits for item in provided[name].items()]
        if any(package.wheels[target].path is not None for target, (package, _) in on_targets):
            hint += "; its wheels came from a local folder: name that with --local-wheels here as well"
    platforms = ", ".join(target.name for target in layer.targets)
    return ResolutionError(f"Cannot lock {layer.title} for {platforms}. uv says:\n{error.message}", hint=hint)


def choose_time(stack: Stack, environ: Mapping[str, str]) -> str:
    """Return the time a new lock records: ``exclude-newer`` if it names one, else now; ISO 8601 in UTC."""
    limit = environ.get("UV_EXCLUDE_NEWER") or stack.uv.table.get("exclude-newer")
    try:
        moment = read_time(str(limit).strip().upper()).astimezone(UTC)
    except (OverflowError, ValueError):  # none, or a span such as "2 weeks", which counts from now
        moment = datetime.now(UTC)
    return moment.replace(microsecond=0).isoformat()
