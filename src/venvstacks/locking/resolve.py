"""Lock one layer: resolve with uv, share, cover, write."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from packaging.pylock import Package
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.errors import LockError, ResolutionError
from venvstacks.files import write_text
from venvstacks.locking.coverage import Candidates, Gap, cover, coverage_error
from venvstacks.locking.model import LayerLock, LockedPackage, SharedPackage
from venvstacks.locking.paths import lock_paths
from venvstacks.locking.project import constraints_from_below, direct_names, write_project
from venvstacks.locking.pylock import locked_packages, parse_pylock
from venvstacks.locking.sharing import check_agreement, split_shared
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.spec.model import Layer, Stack
from venvstacks.uv import Uv, compile_lock, newest_version
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
        """Give the folder of a layer's project."""
        return self.scratch / f"lock-{layer.build_name}"


def resolve_layer(
    resolver: Resolver, layer: Layer, python: PythonVersion, below: Sequence[LayerLock], *, forget_pins: bool
) -> Resolution:
    """Resolve a layer's requirements for all its targets.

    Args:
        resolver: What to resolve with.
        layer: The layer.
        python: The exact base Python.
        below: The locks of the layers below, in path order.
        forget_pins: Whether the layer's earlier lock has no say.

    Raises:
        LockError: The layers below contradict each other or this layer.
        ResolutionError: uv found no solution.
        CoverageError: A target has no usable wheel of some package.
    """
    if not layer.requirements or not layer.compatibilities:
        return Resolution((), ())
    check_agreement(layer, below, python)
    candidates = _candidates(resolver, layer, python, below, forget_pins=forget_pins)
    needed = sorted(
        (name, _version(layer, package), target)
        for target, packages in candidates.items()
        for name, (package, _) in packages.items()
    )
    own, shared = split_shared(layer, needed, below)
    packages, gaps = cover(layer, own, candidates, python, lock_paths(resolver.stack, layer).folder)
    if gaps:

        def newest(gap: Gap) -> Version | None:
            return newest_version(
                resolver.uv,
                resolver.folder(layer),
                gap.package,
                python=python,
                compatibility=gap.compatibility,
                find_links=resolver.sources.local_wheels,
                no_index=resolver.sources.no_index,
                work=resolver.work,
            )

        raise coverage_error(layer, gaps, newest)
    return Resolution(packages, shared)


def _candidates(
    resolver: Resolver, layer: Layer, python: PythonVersion, below: Sequence[LayerLock], *, forget_pins: bool
) -> Candidates:
    folder, sources = resolver.folder(layer), resolver.sources
    folder.mkdir(parents=True)
    output = folder / "pylock.toml"
    earlier = lock_paths(resolver.stack, layer).pylock
    if earlier.is_file() and not forget_pins:
        shutil.copyfile(earlier, output)
    assigned: list[str] = []
    while True:
        write_project(
            folder,
            layer,
            python,
            resolver.stack.uv,
            pins=constraints_from_below(layer, below),
            assigned=assigned,
            no_index=sources.no_index,
        )
        try:
            compile_lock(
                resolver.uv,
                folder,
                output,
                python=python,
                find_links=sources.local_wheels,
                no_index=sources.no_index,
                upgrade=forget_pins,
                work=resolver.work,
            )
        except ResolutionError as error:
            raise _unresolved(layer, below, error) from error
        lock = parse_pylock(output.read_text(encoding="utf-8"), f"uv's resolution of {layer.title}")
        candidates = locked_packages(lock, layer.compatibilities, python)
        found = {name for packages in candidates.values() for name in packages}
        late = _assigned_late(layer, found, assigned, sources)
        if not late:
            return candidates
        # uv applies an index to direct requirements only: make these direct and resolve again
        assigned += late
        output.unlink()


def _assigned_late(layer: Layer, found: set[str], assigned: Sequence[str], sources: Sources) -> list[str]:
    if sources.no_index:
        return []
    named = set(layer.package_indexes or {}) & found
    return sorted(named - direct_names(layer.requirements) - set(assigned))


def _version(layer: Layer, package: Package) -> Version:
    if package.version is None:
        raise LockError(f"{layer.title.capitalize()}: {package.name} is not a released version with wheels.")
    return package.version


def _unresolved(layer: Layer, below: Sequence[LayerLock], error: ResolutionError) -> ResolutionError:
    pinned = {package.name: lock for lock in reversed(below) for package in lock.packages}
    words = {canonicalize_name(word.split("==")[0]) for word in error.message.split() if "==" in word}
    culprits = sorted(words & pinned.keys())
    hint = None
    if culprits:
        names = ", ".join(f"{name} (locked by {pinned[name].layer!r})" for name in culprits)
        hint = f"layers below decide the version of {names}: change the requirements there or here"
    platforms = ", ".join(target.name for target in layer.targets)
    return ResolutionError(
        f"{layer.title.capitalize()} cannot be locked for {platforms}. uv says:\n{error.message}", hint=hint
    )


def write_summary(path: Path, resolution: Resolution) -> None:
    """Write ``packages-L.txt``: own packages, then those shared from below, for people to read in a diff."""
    lines = [f"{package.name}=={package.version}" for package in resolution.packages]
    lines += [f"{item.name}=={item.version}  # from {item.layer}" for item in resolution.shared]
    write_text(path, "".join(f"{line}\n" for line in lines))


def lock_time(stack: Stack, environ: Mapping[str, str]) -> str:
    """Give the time a new lock records: ``exclude-newer`` if it names one, else now; ISO 8601 in UTC."""
    limit = environ.get("UV_EXCLUDE_NEWER") or stack.uv.table.get("exclude-newer")
    moment = datetime.now(UTC)
    if isinstance(limit, datetime):
        moment = limit if limit.tzinfo else limit.replace(tzinfo=UTC)
    elif isinstance(limit, date):
        moment = datetime.combine(limit, time(), UTC)
    elif isinstance(limit, str):
        with suppress(ValueError):  # a span such as "2 weeks" counts from now
            moment = datetime.fromisoformat(limit)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
