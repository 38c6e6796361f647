"""Removing releases that no channel needs, and then what no release needs."""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from venvstacks.errors import UsageError
from venvstacks.releases.release_files import blobs_of, read_release
from venvstacks.releasing.push_prepare import many
from venvstacks.releasing.uploads import PRUNED_AFTER
from venvstacks.stores.interface import BLOBS, METADATA, TARGETS, Listed, Store, WritableStore
from venvstacks.trust.catalog import Catalog
from venvstacks.trust.keys import Signers
from venvstacks.trust.metadata import LARGEST, TIMESTAMP_NAME
from venvstacks.trust.repository import change_catalog
from venvstacks.trust.repository_state import RepositoryState, read_repository
from venvstacks.trust.roles import TIMESTAMP
from venvstacks.work import Task, Work, run_tasks

_DAY = 86_400
_PREFIXES = (f"{BLOBS}/", f"{TARGETS}/", f"{METADATA}/")


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """What is asked for.

    Attributes:
        keep: How many of the last releases stay, beside those that channels lead to.
        older_than: How many days ago a release must have been pushed to be removed.
    """

    keep: int
    older_than: float = 0

    def __post_init__(self) -> None:
        if self.keep < 0 or self.older_than < 0:
            raise UsageError("Neither the number of releases nor that of days can be negative.")


@dataclass(frozen=True, slots=True)
class StorePrunePlan:
    """What pruning a store will do.

    Attributes:
        store: Its address.
        versions: Releases that are removed.
    """

    store: str
    versions: tuple[str, ...]
    files: tuple[Listed, ...]  # that no release needs then, written more than a day ago

    @property
    def bytes(self) -> int:
        """Bytes of all files that are deleted."""
        return sum(file.size for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as values for JSON."""
        found = [{"name": file.name, "size": file.size} for file in self.files]
        return {"store": self.store, "releases": list(self.versions), "size": self.bytes, "files": found}


@dataclass(frozen=True, slots=True)
class PrunedStore:
    """What pruning a store has done.

    Attributes:
        versions: Releases that were removed.
        files: How many files were deleted.
        bytes: How many bytes these had.
    """

    versions: tuple[str, ...]
    files: int
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the result as values for JSON."""
        return {"releases": list(self.versions), "files": self.files, "size": self.bytes}


def removable(catalog: Catalog, request: PruneRequest, now: float) -> tuple[str, ...]:
    """Choose the releases that nobody needs.

    Those that channels lead to stay, and the last ones; and what is not complete stays for a day at least: other
    platforms may be under way.
    """
    kept = {*catalog.channels.values(), *catalog.versions[len(catalog.versions) - request.keep :]}
    found = []
    for version in dict.fromkeys(entry.version for entry in catalog.entries):
        entries = catalog.of(version)
        days = request.older_than if any(entry.complete for entry in entries) else max(1, request.older_than)
        last = max(entry.pushed for entry in entries)
        if version not in kept and now - last >= days * _DAY:
            found.append(version)
    return tuple(found)


def without_versions(catalog: Catalog, versions: Iterable[str]) -> Catalog:
    """Return a catalog without releases, as far as no channel leads to them by now."""
    for version in versions:
        if version not in catalog.channels.values():
            catalog = catalog.without(version)
    return catalog


def needed_names(store: Store, state: RepositoryState, catalog: Catalog) -> frozenset[str]:
    """Return the names of all files that a catalog, and the metadata of a store, need.

    Raises:
        StoreError: A release file cannot be read, so that nobody knows what it needs.
        ReleaseError: One is damaged.
    """
    blobs = (blob.name for entry in catalog.entries for blob in blobs_of(read_release(store, entry)))
    return frozenset({*state.names, *(entry.name for entry in catalog.entries), *blobs})


def prepare_prune(
    store: WritableStore, state: RepositoryState, request: PruneRequest, *, now: float | None = None
) -> StorePrunePlan:
    """Read what a store has, and return what will be removed from it; nothing is written."""
    time_now = time.time() if now is None else now
    versions = removable(state.catalog, request, time_now)
    catalog = without_versions(state.catalog, versions)
    needed = needed_names(store, state, catalog)
    return StorePrunePlan(store.address, versions, tuple(_unneeded(store, needed, time_now)))


def _unneeded(store: WritableStore, needed: frozenset[str], now: float) -> Iterator[Listed]:
    for prefix in _PREFIXES:
        for file in sorted(store.names(prefix), key=lambda file: file.name):
            if file.name not in needed and now - file.modified > PRUNED_AFTER:
                yield file


def run_prune(
    plan: StorePrunePlan, store: WritableStore, signers: Signers, work: Work, *, now: float | None = None
) -> PrunedStore:
    """Remove releases from what the store offers, and only then files.

    A run that pushes at once may need what nobody needed before. So each file is looked at again just before it is
    deleted; and who pushes looks at what it needs again when its release is to be seen.
    """
    if plan.versions:
        change_catalog(store, signers, lambda catalog: without_versions(catalog, plan.versions))
    there = set(read_repository(store, signers.root).catalog.versions)
    removed = tuple(version for version in plan.versions if version not in there)
    for version in removed:
        store.forget_together(version)
    pruner = _Pruner(store, signers.root, now)
    tasks: list[Task[str, int]] = [
        Task(f"delete {file.name}", file.name, (), partial(pruner.delete, file)) for file in plan.files
    ]
    sizes = [size for size in run_tasks(tasks, many(work)).values() if size]
    return PrunedStore(removed, len(sizes), sum(sizes))


class _Pruner:
    """Deletes files that nobody needs at that very moment; any thread may use it."""

    def __init__(self, store: WritableStore, root: bytes | None, now: float | None) -> None:
        self._store = store
        self._root = root
        self._now = now
        self._guard = threading.Lock()
        self._timestamp = b""
        self._needed: frozenset[str] = frozenset()

    def delete(self, file: Listed, _: object) -> int:
        """Delete a file if it is still old and not needed, and return its size; else 0."""
        now = time.time() if self._now is None else self._now
        times = [found.modified for found in self._store.names(file.name) if found.name == file.name]
        if file.name in self._needed_now() or not all(now - each > PRUNED_AFTER for each in times):
            return 0
        self._store.delete(file.name)
        return file.size

    def _needed_now(self) -> frozenset[str]:
        with self._guard:
            timestamp = self._store.read(TIMESTAMP_NAME, LARGEST[TIMESTAMP]).data
            if timestamp != self._timestamp:
                state = read_repository(self._store, self._root)
                self._needed = needed_names(self._store, state, state.catalog)
                self._timestamp = state.timestamp_data
            return self._needed
