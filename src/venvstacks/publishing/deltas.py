"""Making the deltas that lead to a published layer."""

from pathlib import Path

import msgspec
from msgspec import UNSET

from venvstacks import files
from venvstacks.archives.archive_reader import open_archive
from venvstacks.archives.formats import ArchiveFormat, Compression
from venvstacks.archives.pool import FramePool
from venvstacks.deltas.delta_file import read_header
from venvstacks.deltas.delta_plan import plan_delta
from venvstacks.deltas.delta_writer import HARD_LEVEL, LEVEL, write_delta
from venvstacks.errors import ArchiveError, DeltaError
from venvstacks.events import Meter, Step, Warned
from venvstacks.manifests.manifest_format import ArchiveManifest, DeltaManifest
from venvstacks.publishing.delta_bases import find_deltas
from venvstacks.publishing.publish_plan import PlannedArchive, PublishOptions
from venvstacks.work import Work

MOST_JOBS = 4
"""How many threads make deltas; each takes up to 150 MB."""


def make_deltas(
    planned: PlannedArchive, archive: Path, folder: Path, *, options: PublishOptions, pool: FramePool, work: Work
) -> None:
    """Make the deltas that lead to an archive, as far as they are a third smaller than it."""
    layer, platform = planned.build.layer, planned.build.target.name
    levels = delta_levels(options)
    with open_archive(archive) as new:
        for name, base in planned.deltas.items():
            if base.content_hash == new.index.content_hash:
                continue
            try:
                with open_archive(base.archive) as old:
                    plan = plan_delta(old.index, new.index)
                    write_delta(
                        plan,
                        old,
                        new,
                        folder / name,
                        largest=new.index.archive_size * 2 // 3,
                        pool=pool,
                        levels=levels,
                        progress=Meter(work.observe, Step.PUBLISH, planned.layer, plan.content_size, platform).add,
                    )
            except ArchiveError as error:
                if base.requested:
                    raise
                work.observe(Warned(f"There is no delta from an earlier {layer.title}. {error.message}"))


def delta_levels(options: PublishOptions) -> tuple[int, int]:
    """Return how hard deltas are compressed: as hard as archives, but not below what makes patches small.

    The second level is for what old content does not make far smaller.
    """
    if options.compression == Compression.BEST:
        return HARD_LEVEL, HARD_LEVEL
    level = options.level if options.archive_format is ArchiveFormat.TAR_ZST else None
    if options.compression == Compression.FAST or (level is not None and level < LEVEL):
        return LEVEL, LEVEL
    return level or LEVEL, max(level or LEVEL, HARD_LEVEL)


def describe_deltas(planned: PlannedArchive, manifest: ArchiveManifest) -> ArchiveManifest:
    """Add the deltas that lead to an archive and are there, also those that a killed run made."""
    earlier = planned.earlier
    known = {}
    if earlier is not None and earlier.manifest.archive_content_hash == manifest.archive_content_hash:
        known = {delta.name: delta for delta in earlier.deltas}
    found = [known.get(path.name) or _describe(path, manifest) for path in find_deltas(planned.destination)]
    deltas = tuple(delta for delta in found if delta is not None)
    return msgspec.structs.replace(manifest, archive_deltas=deltas or UNSET)


def remove_useless_deltas(planned: PlannedArchive, manifest: ArchiveManifest) -> None:
    """Remove deltas that lead to an archive which was there before, under the same name."""
    names = {delta.name for delta in manifest.archive_deltas or ()}
    for path in find_deltas(planned.destination):
        if path.name not in names:
            path.unlink(missing_ok=True)


def _describe(path: Path, manifest: ArchiveManifest) -> DeltaManifest | None:
    """Return a delta's manifest, if it leads to an archive."""
    try:
        header, _ = read_header(path, check=False)
    except DeltaError:
        return None
    if header.content_hash != manifest.archive_content_hash:
        return None
    hashes = {"sha256": files.file_sha256(path)}
    return DeltaManifest(path.name, path.stat().st_size, hashes, header.old_content_hash)
