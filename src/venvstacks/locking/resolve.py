"""Lock one layer: resolve with uv, share, cover, write."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

from packaging.pylock import Package, Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import LockError, ResolutionError
from venvstacks.events import Warned
from venvstacks.files import write_text
from venvstacks.locking.coverage import Gap, cover
from venvstacks.locking.earlier import NO_LOCK, check_local, read_earlier
from venvstacks.locking.layer_lock import LayerLock, LockedPackage, SharedPackage, read_time
from venvstacks.locking.lock_paths import lock_paths
from venvstacks.locking.missing import Search, coverage_error, missing_wheels
from venvstacks.locking.older import unexpected
from venvstacks.locking.project import (
    check_environments,
    constraints_from_below,
    direct_names,
    overridden_names,
    write_project,
)
from venvstacks.locking.pylock import Candidates, locked_packages, parse_pylock
from venvstacks.locking.sharing import check_agreement, split_shared
from venvstacks.platforms.compatibility import PythonVersion, marker_of
from venvstacks.platforms.targets import Target
from venvstacks.uv import Uv, compile_lock
from venvstacks.work import Work


@dataclass(frozen=True, slots=True)
class Sources:
    """Where wheels come from, beside what the definition says.

    Attributes:
        local_wheels: Folders with wheels, absolute.
        no_index: Whether these folders alone are used.
    """

    local_wheels: tuple[Path, ...] = ()
    no_index: bool = False


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a layer needs on its targets.

    Attributes:
        packages: What it installs itself.
        shared: What layers below provide.
    """

    packages: tuple[LockedPackage, ...]
    shared: tuple[SharedPackage, ...]


@dataclass(frozen=True, slots=True)
class Resolver:
    """What all layers' resolutions have in common.

    Attributes:
        stack: The stack.
        uv: The program.
        scratch: A folder for uv's projects.
        sources: Where wheels come from.
        work: The way to call it off.
    """

    stack: Stack
    uv: Uv
    scratch: Path
    sources: Sources
    work: Work

    def folder(self, layer: Layer) -> Path:
        """Return the folder of a layer's project."""
        return self.scratch / f"lock-{layer.build_name}"


def resolve_layer(
    resolver: Resolver, layer: Layer, python: PythonVersion, below: Sequence[LayerLock], *, forget_pins: bool
) -> Resolution:
    """Resolve a layer's requirements for all its targets."""
    check_agreement(layer, below, python, overridden_names(resolver.stack.uv))
    if not layer.requirements:
        return Resolution((), ())
    check_environments(layer, python, resolver.stack.uv)
    folder = resolver.folder(layer)
    earlier = NO_LOCK if forget_pins else read_earlier(lock_paths(resolver.stack, layer).pylock)
    search = _search(resolver, python, below, folder)
    try:
        resolution, gaps = _attempt(resolver, layer, python, below, folder, earlier=earlier.text)
    except ResolutionError as error:
        unresolved = _unresolved(layer, below, error, earlier.local)
        raise missing_wheels(layer, python, error, search) or unresolved from error
    if gaps:
        raise coverage_error(layer, python, gaps, search)
    check_local(layer, resolution.packages, earlier)
    for warning in unexpected(layer, resolution.packages, earlier, search):
        resolver.work.observe(Warned(warning))
    return resolution


def _search(resolver: Resolver, python: PythonVersion, below: Sequence[LayerLock], folder: Path) -> Search:
    """Return ways to find out what would work, each try in a folder of its own."""
    tries = count(1)

    def gaps_of(layer: Layer) -> Sequence[Gap]:
        return _attempt(resolver, layer, python, below, folder / f"try-{next(tries)}")[1]

    def offers_of(layer: Layer, *, source_distributions: bool = False) -> Candidates:
        lock = _compiled(
            resolver,
            layer,
            python,
            folder / f"try-{next(tries)}",
            dependencies=False,
            source_distributions=source_distributions,
        )
        return locked_packages(lock, layer.compatibilities, python)

    return Search(gaps_of, offers_of, partial(offers_of, source_distributions=True))


def _attempt(
    resolver: Resolver,
    layer: Layer,
    python: PythonVersion,
    below: Sequence[LayerLock],
    folder: Path,
    *,
    earlier: str | None = None,
) -> tuple[Resolution, tuple[Gap, ...]]:
    pins = constraints_from_below(layer, below)
    candidates = _candidates(resolver, layer, python, folder, pins=pins, earlier=earlier)
    needed = sorted(
        (name, _version(layer, package), target)
        for target, packages in candidates.items()
        for name, (package, _) in packages.items()
    )
    own, shared = split_shared(layer, needed, below)
    lock_folder = lock_paths(resolver.stack, layer).folder
    packages, gaps = cover(layer, own, candidates, python, lock_folder=lock_folder, resolved_in=folder)
    return Resolution(packages, shared), gaps


def _candidates(
    resolver: Resolver,
    layer: Layer,
    python: PythonVersion,
    folder: Path,
    *,
    pins: Sequence[str],
    earlier: str | None,
) -> Candidates:
    """Resolve, again and again until each package with an index of its own is taken from there."""
    assigned: list[str] = []
    while True:
        try:
            lock = _compiled(resolver, layer, python, folder, pins=pins, assigned=assigned, earlier=earlier)
        except ResolutionError as error:
            late = _assigned_late(resolver, layer, _names_in(error.message), assigned)
            if not late:
                raise
        else:
            candidates = locked_packages(lock, layer.compatibilities, python)
            found = {name for packages in candidates.values() for name in packages}
            late = _assigned_late(resolver, layer, found, assigned)
            if not late:
                return candidates
        assigned += late


def _compiled(
    resolver: Resolver,
    layer: Layer,
    python: PythonVersion,
    folder: Path,
    *,
    pins: Sequence[str] = (),
    assigned: Sequence[str] = (),
    earlier: str | None = None,
    dependencies: bool = True,
    source_distributions: bool = False,
) -> Pylock:
    sources, output = resolver.sources, folder / "pylock.toml"
    folder.mkdir(parents=True, exist_ok=True)
    write_project(
        folder,
        layer,
        python,
        resolver.stack.uv,
        pins=pins,
        assigned=assigned,
        find_links=sources.local_wheels,
        no_index=sources.no_index,
    )
    if earlier is None:
        output.unlink(missing_ok=True)
    else:
        write_text(output, earlier)
    compile_lock(
        resolver.uv,
        folder,
        output,
        python=python,
        no_index=sources.no_index,
        dependencies=dependencies,
        source_distributions=source_distributions,
        work=resolver.work,
    )
    return parse_pylock(output.read_text(encoding="utf-8"), f"uv's resolution of {layer.title}")


def _assigned_late(resolver: Resolver, layer: Layer, names: Collection[str], assigned: Sequence[str]) -> list[str]:
    """Describe which packages with an index of their own uv has looked for elsewhere."""
    if resolver.sources.no_index:
        return []
    named = (layer.package_indexes or {}).keys() & names
    return sorted(named - direct_names(layer.requirements) - set(assigned))


def _names_in(message: str) -> frozenset[str]:
    return frozenset(canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", message))


def _version(layer: Layer, package: Package) -> Version:
    if package.version is None:
        raise LockError(f"Cannot lock {layer.title}: {package.name} is not a released version with wheels.")
    return package.version


def _unresolved(
    layer: Layer, below: Sequence[LayerLock], error: ResolutionError, local: Collection[str]
) -> ResolutionError:
    pinned = {package.name: lock.layer for lock in reversed(below) for package in lock.packages}
    compared = re.findall(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\]|\{[^}]*\})?==", error.message)
    culprits = sorted({canonicalize_name(name) for name in compared} & pinned.keys())
    hint = None
    if forgotten := sorted(_names_in(error.message) & set(local)):
        hint = f"the earlier lock takes {', '.join(forgotten)} from a local folder: name it with --local-wheels"
    if culprits:
        names = ", ".join(f"{name} (locked by {pinned[name]!r})" for name in culprits)
        hint = f"layers below decide the version of {names}: change the requirements there or here"
        if _has_local_wheels(below, culprits):
            hint += "; its wheels came from a local folder: name that with --local-wheels here as well"
    platforms = ", ".join(target.name for target in layer.targets)
    return ResolutionError(f"Cannot lock {layer.title} for {platforms}. uv says:\n{error.message}", hint=hint)


def _has_local_wheels(below: Sequence[LayerLock], names: Collection[str]) -> bool:
    packages = (package for lock in below for package in lock.packages if package.name in names)
    return any(wheel.path is not None for package in packages for wheel in package.wheels.values())


def write_summary(path: Path, layer: Layer, resolution: Resolution) -> None:
    """Write ``packages-L.txt``: own packages, then those shared from below, for people to read in a diff."""

    def line(package: LockedPackage | SharedPackage, targets: Iterable[Target]) -> str:
        marker = marker_of(targets, layer.targets)
        where = f" ; {marker}".replace('"', "'") if marker else ""
        excluded = package.name in layer.exclude_packages and isinstance(package, LockedPackage)
        return f"{package.name}=={package.version}{where}{'  # excluded' if excluded else ''}"

    lines = [f"# Packages of {layer.build_name}", "#     Made by venvstacks from its lock: do not edit"]
    lines += [line(each, each.wheels) for each in resolution.packages]
    if resolution.shared:
        lines += ["", "# Shared packages inherited from other layers"]
        lines += sorted(line(each, each.targets) for each in resolution.shared)
    write_text(path, "".join(f"{each}\n" for each in lines))


def lock_time(stack: Stack, environ: Mapping[str, str]) -> str:
    """Return the time a new lock records: ``exclude-newer`` if it names one, else now; ISO 8601 in UTC."""
    limit = environ.get("UV_EXCLUDE_NEWER") or stack.uv.table.get("exclude-newer")
    try:
        moment = read_time(str(limit).strip().upper())
    except ValueError:  # none, or a span such as "2 weeks", which counts from now
        moment = datetime.now(UTC)
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
