"""Lock one layer: resolve, divide, and explain what cannot be locked."""

import re
from collections.abc import Collection, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from packaging.utils import canonicalize_name

from venvstacks.definition.stack import Layer
from venvstacks.errors import ResolutionError
from venvstacks.events import Warned
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
from venvstacks.locking.layer_lock import LayerLock, Resolution, lock_folder
from venvstacks.locking.missing import Search, explain_gaps, explain_missing_wheels
from venvstacks.locking.pylock import Candidates
from venvstacks.locking.resolve import Resolver, names_in, resolve, resolve_once
from venvstacks.locking.uv_project import check_environments
from venvstacks.platforms.compatibility import PythonVersion


def resolve_layer(
    resolver: Resolver, layer: Layer, python: PythonVersion, below: Sequence[LayerLock], *, earlier: str
) -> Resolution:
    """Resolve a layer's requirements for all its targets, with the pins of an earlier lock, given as text."""
    stack = resolver.stack
    provided = find_provided(layer, below)
    check_agreement(layer, python, provided, overridden_names(stack.uv))
    if not layer.requirements:
        return Resolution()
    check_environments(layer, python, stack.uv)
    before = read_earlier(earlier)
    folder = resolver.scratch / f"lock-{layer.build_name}"
    tries = count(1)

    def attempt(wish: Layer, place: Path, pins: str = "") -> tuple[Resolution, Sequence[Gap]]:
        constraints = list(format_constraints(wish, provided))
        candidates = resolve(resolver, wish, python, place, constraints=constraints, earlier=pins)
        return divide(wish, python, candidates, provided, lock_folder=lock_folder(stack, layer), resolved_in=place)

    def offers_of(wish: Layer, *, source_distributions: bool = False) -> Candidates:
        place = folder / f"try-{next(tries)}"
        return resolve_once(
            resolver, wish, python, place, dependencies=False, source_distributions=source_distributions
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
        resolver.work.observe(Warned(warning))
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
