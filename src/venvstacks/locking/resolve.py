"""Resolve a layer's requirements with uv."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import ResolutionError
from venvstacks.files import write_text
from venvstacks.locking.pylock import Candidates, parse_pylock, read_candidates
from venvstacks.locking.uv_project import write_project
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.uv import Uv, compile_lock
from venvstacks.work import Work


@dataclass(frozen=True, slots=True)
class Resolver:
    """What all layers' resolutions have in common.

    Attributes:
        stack: The stack.
        uv: The program.
        scratch: A folder for uv's projects.
        wheel_folders: Folders with wheels, absolute.
        no_index: Whether these folders alone are used.
        work: Observer and cancellation token.
    """

    stack: Stack
    uv: Uv
    scratch: Path
    wheel_folders: tuple[Path, ...]
    no_index: bool
    work: Work


def resolve(
    resolver: Resolver,
    layer: Layer,
    python: PythonVersion,
    folder: Path,
    *,
    constraints: Sequence[str],
    earlier: str = "",
) -> Candidates:
    """Resolve, again and again until each package with an index of its own is taken from there.

    Versions are kept from the text of an earlier lock where they still fit.
    """
    assigned: list[str] = []
    while True:
        try:
            candidates = resolve_once(
                resolver, layer, python, folder, constraints=constraints, assigned=assigned, earlier=earlier
            )
            late = _find_late(resolver, layer, {package.name for _, package in candidates}, assigned)
            if not late:
                return candidates
        except ResolutionError as error:
            late = _find_late(resolver, layer, names_in(error.message), assigned)
            if not late:
                raise
        assigned += late


def resolve_once(
    resolver: Resolver,
    layer: Layer,
    python: PythonVersion,
    folder: Path,
    *,
    constraints: Sequence[str] = (),
    assigned: Sequence[str] = (),
    earlier: str = "",
    dependencies: bool = True,
    source_distributions: bool = False,
) -> Candidates:
    """Resolve a layer's requirements, or these alone, without what they require in turn.

    Only then can source distributions count as well: their packages have no wheels.
    """
    output = folder / "pylock.toml"
    folder.mkdir(parents=True, exist_ok=True)
    write_project(
        folder,
        layer,
        python,
        resolver.stack.uv,
        constraints=constraints,
        assigned=assigned,
        wheel_folders=resolver.wheel_folders,
        no_index=resolver.no_index,
    )
    output.unlink(missing_ok=True)
    if earlier:
        write_text(output, earlier)
    compile_lock(
        resolver.uv,
        folder,
        output,
        python=python,
        no_index=resolver.no_index,
        dependencies=dependencies,
        source_distributions=source_distributions,
        work=resolver.work,
    )
    lock = parse_pylock(output.read_text(encoding="utf-8"), f"uv's resolution of {layer.title}")
    return read_candidates(lock, layer.compatibilities, python)


def _find_late(resolver: Resolver, layer: Layer, names: Collection[str], assigned: Collection[str]) -> list[str]:
    """Find packages with an index of their own that uv has looked for elsewhere."""
    if resolver.no_index:
        return []
    named = (layer.package_indexes or {}).keys() & set(names)
    required = {canonicalize_name(each.name) for each in layer.requirements if each.marker is None}
    return sorted(named - required - set(assigned))


def names_in(message: str) -> frozenset[str]:
    """Return whatever may be the normalised name of a package in uv's words."""
    return frozenset(canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", message))
