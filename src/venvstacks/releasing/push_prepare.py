"""Reading what a push needs to know of a store."""

from collections.abc import Mapping, Sequence
from functools import partial

from venvstacks.errors import ReleaseError, StoreError
from venvstacks.events import Warned
from venvstacks.releases.publication import PublicationStore
from venvstacks.releases.release_files import blobs_of, read_release
from venvstacks.releases.release_format import Release
from venvstacks.releasing.push_plan import PushPlan, PushRequest, StoreState, plan_push
from venvstacks.stores.interface import Blob, Store, blob_hash
from venvstacks.trust.catalog import Catalog, CatalogEntry
from venvstacks.work import Task, Work, run_tasks

REQUESTS = 8
"""How many requests to a store are under way at once."""

_MOST_READ = 50  # earlier releases that are read to find one with the same content, or the base of a delta


def many(work: Work) -> Work:
    """Return a way to work that waits for a store rather than for a processor."""
    return Work(work.observe, max(work.jobs, REQUESTS), work.cancellation)


def prepare_push(
    store: Store, catalog: Catalog, publication: PublicationStore | None, request: PushRequest, work: Work
) -> PushPlan:
    """Read what a store has, and return what a push will do.

    Args:
        store: The store.
        catalog: What it offers, as its metadata say.
        publication: What is pushed; None to finish a release.
        request: What is asked for.
        work: How requests are made.

    Raises:
        UsageError: It is not clear which release is meant.
        ReleaseError: The release exists with other content, or a release file is damaged.
        StoreError: The store does not answer.
    """
    published = () if publication is None else publication.releases
    paths = {} if publication is None else {str(blob_hash(n)): path for n, path in publication.paths.items()}
    wanted = {
        release.platform: {d.from_content_hash for each in release.layers for d in each.deltas}
        for release in published
    }
    reader = _Reader(store, work)
    same = _read_same(reader, catalog, tuple(wanted), request)
    bases = {
        platform: _read_bases(reader, base_entries(catalog, platform, request), request.deltas, hashes)
        for platform, hashes in wanted.items()
    }
    state = StoreState(
        address=store.address,
        catalog=catalog,
        same=same,
        bases=bases,
        claimed=reader.claimed,
        missing=find_missing(store, [blob for release in published for blob in blobs_of(release)], work),
    )
    return plan_push(published, paths, request, state)


class _Reader:
    """Reads release files, each once."""

    def __init__(self, store: Store, work: Work) -> None:
        self._store = store
        self._work = work
        self._known: dict[CatalogEntry, Release | None] = {}

    @property
    def claimed(self) -> frozenset[str]:
        """Hashes of the blobs that the releases need which were read so far."""
        found = (blobs_of(release) for release in self._known.values() if release is not None)
        return frozenset(blob.sha256 for blobs in found for blob in blobs)

    def read(self, entry: CatalogEntry) -> Release | None:
        """Read a release file; None, with a warning, if that cannot be done."""
        if entry not in self._known:
            try:
                self._known[entry] = read_release(self._store, entry)
            except (ReleaseError, StoreError) as error:
                self._work.observe(Warned(f"Release {entry.version} is left out of account. {error.message}"))
                self._known[entry] = None
        return self._known[entry]


def _read_same(
    reader: _Reader, catalog: Catalog, platforms: Sequence[str], request: PushRequest
) -> Mapping[tuple[str, str], Release]:
    """Read the releases that may be what is pushed."""
    versions = [request.release] if request.release else list(reversed(catalog.versions))[:_MOST_READ]
    found = {}
    for version in versions:
        entries = [entry for entry in catalog.of(version) if entry.platform in platforms]
        for entry in entries:
            release = reader.read(entry)
            if release is not None:
                found[entry.key] = release
    return found


def base_entries(catalog: Catalog, platform: str, request: PushRequest) -> tuple[CatalogEntry, ...]:
    """Sort the releases for a platform by how probably machines have them.

    First come those that the channels pushed to lead to, then those of other channels (from which machines move
    when the release is promoted), then what was pushed last.
    """
    entries = [
        entry
        for entry in reversed(catalog.entries)
        if entry.complete and entry.platform == platform and entry.version != request.release
    ]
    wanted = set(request.channels)

    def rank(entry: CatalogEntry) -> int:
        return 0 if wanted & set(entry.channels) else 1 if entry.channels else 2

    return tuple(sorted(entries, key=rank)[:_MOST_READ])


def _read_bases(
    reader: _Reader, entries: Sequence[CatalogEntry], count: int, wanted: set[str]
) -> tuple[Release, ...]:
    """Read the first releases, and more as long as the base of a delta that is there has not been found."""
    found: list[Release] = []
    missing = set(wanted)
    for entry in entries:
        if len(found) >= count and not missing:
            break
        release = reader.read(entry)
        if release is not None:
            found.append(release)
            missing -= {layer.content_hash for layer in release.layers}
    return tuple(found)


def find_missing(store: Store, blobs: Sequence[Blob], work: Work) -> frozenset[str]:
    """Return the hashes of those blobs that a store does not have in their size."""

    def is_missing(blob: Blob, _: object) -> bool:
        return store.size(blob.name) != blob.size

    tasks: list[Task[str, bool]] = [
        Task(f"look for {blob.name}", blob.sha256, (), partial(is_missing, blob)) for blob in dict.fromkeys(blobs)
    ]
    return frozenset(sha256 for sha256, missing in run_tasks(tasks, many(work)).items() if missing)
