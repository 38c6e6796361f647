"""Making the deltas that lead to a published layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import UNSET

from venvstacks import files
from venvstacks.archives.archive_reader import ArchiveReader, open_archive
from venvstacks.archives.formats import DELTA_SUFFIX, ArchiveFormat, Compression
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.deltas.blob import read_header
from venvstacks.deltas.delta_manifest import DeltaManifest
from venvstacks.deltas.delta_plan import plan_delta
from venvstacks.deltas.delta_writer import Effort, write_delta
from venvstacks.errors import ArchiveError, DeltaError
from venvstacks.events import Meter, Step, Warned
from venvstacks.publishing.manifests import ArchiveManifest
from venvstacks.publishing.planned_deltas import PlannedDelta, delta_pattern
from venvstacks.publishing.publish_plan import PlannedArchive, PublishOptions
from venvstacks.work import Work

_MOST_JOBS = 4  # each thread takes up to 150 MB


@contextmanager
def delta_maker(options: PublishOptions, work: Work) -> Iterator["DeltaMaker"]:
    """Start what makes the deltas of one publication, and wait for the end of its threads."""
    with frame_pool(replace(work, jobs=min(work.jobs, _MOST_JOBS))) as pool:
        yield DeltaMaker(options, work, pool)


class DeltaMaker:
    """Makes the deltas of one publication; see :func:`delta_maker`."""

    def __init__(self, options: PublishOptions, work: Work, pool: FramePool) -> None:
        self._work = work
        self._effort = delta_effort(options)
        self._pool = pool

    def make(self, planned: PlannedArchive, archive: Path, folder: Path) -> None:
        """Make the deltas that lead to an archive, as far as they are a third smaller than it."""
        with open_archive(archive) as new:
            for delta in planned.deltas:
                if delta.old.content_hash == new.index.content_hash:
                    continue
                try:
                    self._make(planned, delta, new, folder)
                except ArchiveError as error:
                    if delta.old.asked:
                        raise
                    title = planned.built.layer.title
                    self._work.observe(Warned(f"There is no delta from an earlier {title}. {error.message}"))

    def _make(self, planned: PlannedArchive, delta: PlannedDelta, new: ArchiveReader, folder: Path) -> None:
        with open_archive(delta.old.archive) as old:
            plan = plan_delta(old.index, new.index)
            platform = planned.built.target.name
            meter = Meter(self._work.observe, Step.PUBLISH, planned.layer, plan.content_size, platform)
            write_delta(
                plan,
                old,
                new,
                folder / delta.name,
                largest=new.index.archive_size * 2 // 3,
                pool=self._pool,
                effort=self._effort,
                progress=meter.add,
            )


def delta_effort(options: PublishOptions) -> Effort:
    """Return how hard deltas are compressed: as hard as archives, but not below what makes patches small."""
    usual = Effort()
    if options.compression is Compression.BEST:
        return Effort(usual.hard_level, usual.hard_level)
    asked = options.level if options.archive_format is ArchiveFormat.TAR_ZST else None
    level = usual.level if asked is None else asked
    if options.compression is Compression.FAST or level < usual.level:
        return Effort(usual.level, usual.level)
    return Effort(level, max(level, usual.hard_level))


def with_deltas_beside(planned: PlannedArchive, manifest: ArchiveManifest) -> ArchiveManifest:
    """Return the deltas that lead to an archive and are there, also of those that a killed run made."""
    earlier = planned.earlier
    known = {delta.name: delta for delta in earlier.deltas}
    if earlier.manifest is None or earlier.manifest.archive_content_hash != manifest.archive_content_hash:
        known = {}
    told = []
    for path in _beside(planned):
        delta = known.get(path.name) or _describe(path, manifest)
        if delta is not None:
            told.append(delta)
    return msgspec.structs.replace(manifest, archive_deltas=tuple(told) or UNSET)


def remove_useless_deltas(planned: PlannedArchive, manifest: ArchiveManifest) -> None:
    """Remove deltas that lead to an archive which was there before, under the same name."""
    names = {delta.name for delta in manifest.archive_deltas or ()}
    for path in _beside(planned):
        if path.name not in names:
            path.unlink(missing_ok=True)


def _beside(planned: PlannedArchive) -> list[Path]:
    """Find everything that is called like a delta that leads to an archive."""
    pattern = delta_pattern(planned.stem)
    return sorted(
        path for path in planned.destination.parent.glob(f"*{DELTA_SUFFIX}") if pattern.fullmatch(path.name)
    )


def _describe(path: Path, manifest: ArchiveManifest) -> DeltaManifest | None:
    """Return a delta's manifest, if it leads to an archive."""
    try:
        header, _ = read_header(path, promised=False)
    except DeltaError:
        return None
    if header.content_hash != manifest.archive_content_hash:
        return None
    hashes = {"sha256": files.file_sha256(path)}
    return DeltaManifest(path.name, path.stat().st_size, hashes, header.old_content_hash)
