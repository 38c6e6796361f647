"""Carrying out a push: blobs first, then release files, then what clients believe."""

import tempfile
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from venvstacks import files
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.errors import ReleaseError, StoreError
from venvstacks.events import Finished, Meter, Planned, Started, Step, Warned
from venvstacks.humanize import counted, size_text
from venvstacks.releases.release_files import blobs_of, read_release, without_deltas
from venvstacks.releases.release_format import DeltaReference, Release, encode_release
from venvstacks.releasing.push_plan import (
    PlannedDelta,
    PlatformPush,
    PushPlan,
    PushState,
    Upload,
    other_content,
    with_deltas,
)
from venvstacks.releasing.push_prepare import find_missing, many
from venvstacks.releasing.store_deltas import make_delta
from venvstacks.releasing.uploads import find_endangered, upload_blob
from venvstacks.stores.interface import Blob, WritableStore
from venvstacks.trust.catalog import Catalog, CatalogEntry
from venvstacks.trust.client import root_hash
from venvstacks.trust.keys import Signers
from venvstacks.trust.repository import change_catalog
from venvstacks.work import Task, Work, run_tasks

_DELTA_JOBS = 4  # threads that make deltas; each takes up to 150 MB
_ROUNDS = 5
_SETTLE = 10  # seconds


def settle() -> None:
    """Wait until a run that prunes, and has just looked at what it is about to delete, has done so."""
    time.sleep(_SETTLE)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push has done.

    Attributes:
        version: Version of the release.
        platforms: Target names of all its platforms, also of those that were pushed before.
        channels: Names of all channels that lead to it, sorted.
        visible: Whether clients see it.
        changed: False if there was nothing to do.
        uploaded: Bytes of blobs that were written.
        deltas: How many deltas lead to the layers that were pushed.
        root_hash: Hash of the root metadata in the keys folder, by which machines know the store: ``sha256:HEX``.
    """

    version: str
    platforms: tuple[str, ...]
    channels: tuple[str, ...]
    visible: bool
    changed: bool
    uploaded: int
    deltas: int
    root_hash: str

    def as_json(self) -> dict[str, Any]:
        """Return the result as values for JSON."""
        return asdict(self)


class _GoneError(Exception):
    """A release is gone on whose blobs the push relies; never shown."""


def run_push(plan: PushPlan, store: WritableStore, signers: Signers, work: Work) -> Pushed:
    """Carry out a push; clients see all of it at once, at its very end.

    Args:
        plan: What is done.
        store: The store.
        signers: Keys for targets, snapshot and timestamp.
        work: Who is told of it, and how many threads compress deltas.

    Raises:
        ReleaseError: Another run has pushed this release with other content, or a published file was changed.
        StoreError: The store cannot be read or written.
        TrustError: Keys are missing.
    """
    with tempfile.TemporaryDirectory(prefix=files.TEMPORARY_PREFIX) as folder:
        run = _Push(plan, store, Path(folder), work)
        releases = run.upload()
        catalog = run.announce(releases, signers) if plan.changes else plan.catalog
    entries = catalog.of(plan.version)
    return Pushed(
        version=plan.version,
        platforms=tuple(sorted(entry.platform for entry in entries)),
        channels=tuple(sorted({channel for entry in entries for channel in entry.channels})),
        visible=all(entry.complete for entry in entries),
        changed=plan.changes,
        uploaded=run.uploaded,
        deltas=sum(len(layer.deltas) for release in releases for layer in release.layers),
        root_hash=root_hash(signers.root) if signers.root else "",
    )


class _Push:
    """The parts of one push."""

    def __init__(self, plan: PushPlan, store: WritableStore, folder: Path, work: Work) -> None:
        self.uploaded = 0
        self._written: set[str] = set()
        self._plan = plan
        self._store = store
        self._folder = folder
        self._work = work
        self._guard = threading.Lock()
        self._one_delta = threading.Lock()
        self._files = dict(plan.paths)  # hash of every blob of the release that is on this machine -> the file

    def upload(self) -> tuple[Release, ...]:
        """Upload all blobs, and return the releases with the deltas that are of use."""
        layers = [(push, layer.layer_name) for push in self._plan.platforms for layer in push.release.layers]
        self._work.observe(Planned(Step.PUSH, tuple(name for _, name in layers)))
        with frame_pool(replace(self._work, jobs=min(self._work.jobs, _DELTA_JOBS))) as pool:
            tasks: list[Task[tuple[str, str], tuple[DeltaReference, ...]]] = [
                Task(
                    f"push {name} for {push.platform}",
                    (push.platform, name),
                    (),
                    partial(self._push, push, name, pool),
                )
                for push, name in layers
            ]
            deltas = run_tasks(tasks, many(self._work))
        return tuple(
            push.release
            if push.state is PushState.UNCHANGED
            else with_deltas(push.release, {name: deltas[push.platform, name] for p, name in layers if p is push})
            for push in self._plan.platforms
        )

    def _push(self, push: PlatformPush, name: str, pool: FramePool, _: object) -> tuple[DeltaReference, ...]:
        """Upload what the store lacks of a layer, and make the deltas that lead to it."""
        begin = time.monotonic()
        observe, platform = self._work.observe, push.platform
        observe(Started(Step.PUSH, name, platform))
        uploads = [each for each in self._plan.uploads if (each.layer, each.platform) == (name, platform)]
        meter = Meter(observe, Step.PUSH, name, sum(each.size for each in uploads), platform)
        for upload in uploads:
            self._work.cancellation.check()
            self._upload(upload)
            meter.add(upload.size)
        planned = [delta for delta in push.deltas if delta.layer_name == name]
        made = [reference for delta in planned for reference in self._make(delta, pool)]
        words = [size_text(sum(each.size for each in uploads)) if uploads else "unchanged"]
        if made:
            words.append(f"{counted(len(made), 'delta')} of {size_text(sum(delta.size for delta in made))}")
        changed = bool(uploads or made)
        observe(Finished(Step.PUSH, name, changed, ", ".join(words), time.monotonic() - begin, platform))
        return tuple(made)

    def _make(self, planned: PlannedDelta, pool: FramePool) -> Sequence[DeltaReference]:
        self._work.cancellation.check()
        archive = self._files[planned.layer.archive.sha256]
        with self._one_delta:  # its frames are compressed in parallel, and applying it takes room on the disk
            made = make_delta(planned, archive, self._store, self._folder, pool)
        if isinstance(made, str):
            if made:
                name = f"{planned.layer_name} for {planned.platform}"
                self._work.observe(Warned(f"{name} has no delta from release {planned.version}: {made}"))
            return ()
        blob = Blob(made.reference.sha256, made.reference.size)
        if self._store.size(blob.name) != blob.size:
            self._upload(Upload(planned.layer_name, planned.platform, "delta", made.path, blob))
        self._files[blob.sha256] = made.path
        return (made.reference,)

    def _upload(self, upload: Upload) -> None:
        upload_blob(self._store, upload)
        with self._guard:
            self.uploaded += upload.size
            self._written.add(upload.blob.sha256)

    def announce(self, releases: Sequence[Release], signers: Signers) -> Catalog:
        """Let clients see the release, once the store surely has all that it needs."""
        now = int(time.time())
        entries, contents = [], {}
        for push, release in zip(self._plan.platforms, releases, strict=True):
            if push.state is not PushState.UNCHANGED:
                data = encode_release(release)
                entry = CatalogEntry(
                    version=release.version,
                    platform=release.platform,
                    sha256=files.sha256(data),
                    size=len(data),
                    complete=not self._plan.partial,
                    pushed=now,
                )
                entries.append(entry)
                contents[entry.name] = data
        catalog, relied, renewed = self._plan.catalog, self._plan.unclaimed, False
        for _ in range(_ROUNDS):
            renewed = self._renew(relied, catalog) or renewed
            together = self._keep_together(releases, catalog)
            try:
                catalog = change_catalog(
                    self._store, signers, partial(self._change, entries, catalog), files=contents
                )
            except _GoneError as gone:
                (catalog,) = gone.args
                self._restore(releases)
                relied = frozenset(self._files) - self._written
                continue
            if {entry.platform for entry in catalog.of(self._plan.version)} != together:
                self._keep_together(releases, catalog)
            self._restore(releases)
            if renewed:
                settle()
                self._restore(releases)
            return catalog
        raise StoreError(
            f"Other runs keep removing releases from {self._plan.store}.", hint="run the command again"
        )

    def _change(self, entries: Sequence[CatalogEntry], known: Catalog, catalog: Catalog) -> Catalog:
        """Return what the store offers after the push, given what it offers now."""
        there = {entry.key: entry for entry in catalog.entries}
        if any(entry.key not in there for entry in known.entries):
            raise _GoneError(catalog)
        new = []
        for entry in entries:
            other = there.get(entry.key)
            if other is None or not other.complete:
                new.append(entry)
            elif other.sha256 != entry.sha256:  # a run that was faster may have made other deltas
                self._require_same(other)
        version = self._plan.version
        result = catalog.with_entries(new)
        if self._plan.partial:
            return result
        result = result.completed(version)
        for channel in sorted({*self._plan.channels, *(n for n, v in catalog.channels.items() if v == version)}):
            result = result.with_channel(channel, version)
        return result

    def _require_same(self, entry: CatalogEntry) -> None:
        release = next(push.release for push in self._plan.platforms if push.platform == entry.platform)
        found = read_release(self._store, entry)
        if without_deltas(found) != without_deltas(release):
            raise other_content(entry.version, without_deltas(release), found)

    def _renew(self, relied: Collection[str], catalog: Catalog) -> bool:
        """Write blobs again that are there, but may be deleted at any moment, as no release needs them.

        Returns:
            Whether there were any.
        """
        try:
            releases = [read_release(self._store, entry) for entry in catalog.entries if relied]
        except (ReleaseError, StoreError):  # nobody prunes a store in which it is not known what is needed
            return False
        needed = {blob.sha256 for release in releases for blob in blobs_of(release)}
        own = [each for each in self._own() if each.blob.sha256 in set(relied) - needed]
        uploads = find_endangered(self._store, own, time.time())
        for upload in uploads:
            self._store.delete(upload.blob.name)
            self._upload(upload)
        return bool(uploads)

    def _restore(self, releases: Sequence[Release]) -> None:
        """Write again what was deleted by a run that did not know of this one yet."""
        blobs = {blob for release in releases for blob in blobs_of(release)}
        own = {each.blob: each for each in self._own() if each.blob in blobs}
        for sha256 in find_missing(self._store, list(own), self._work):
            self._upload(next(upload for blob, upload in own.items() if blob.sha256 == sha256))

    def _own(self) -> list[Upload]:
        """Return all blobs of the release that are on this machine, also those that the store has."""
        return [
            Upload("", "", "file", path, Blob(sha256, path.stat().st_size)) for sha256, path in self._files.items()
        ]

    def _keep_together(self, releases: Sequence[Release], catalog: Catalog) -> set[str]:
        """Tell the store what belongs together, and return for which platforms."""
        platforms = {release.platform: blobs_of(release) for release in releases}
        for entry in catalog.of(self._plan.version):
            if entry.platform not in platforms:
                platforms[entry.platform] = blobs_of(read_release(self._store, entry))
        self._store.keep_together(self._plan.version, platforms)
        return set(platforms)
