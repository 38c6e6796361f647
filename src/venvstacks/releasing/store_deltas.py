"""Deltas from layers in a store to new ones: made, applied once, and only then listed."""

import errno
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from venvstacks import files
from venvstacks.archives.archive_reader import ArchiveReader, open_archive
from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.deltas.apply import apply_delta
from venvstacks.deltas.delta_file import open_delta, read_header
from venvstacks.deltas.delta_format import DeltaHeader
from venvstacks.deltas.delta_plan import plan_delta
from venvstacks.deltas.delta_writer import HARD_LEVEL, LEVEL, write_delta
from venvstacks.deploying.downloads import open_partial
from venvstacks.deploying.fetch_plan import frames_of, group_frames
from venvstacks.deploying.layer_indexes import LayerIndex, check_layer_index
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError, DeltaError, StoreError, TrustError
from venvstacks.releases.release_format import DeltaReference, ReleaseLayer
from venvstacks.releasing.push_plan import PlannedDelta
from venvstacks.stores.interface import Store

_LEVELS = (LEVEL, HARD_LEVEL)
_LARGEST_PART = 2 / 3  # of an archive: a delta that is not smaller is of no use


@dataclass(frozen=True, slots=True)
class MadeDelta:
    """A delta that was applied once, in a file.

    Attributes:
        reference: What a release lists of it.
        path: The file.
    """

    reference: DeltaReference
    path: Path


def make_delta(
    planned: PlannedDelta, archive: Path, store: Store, folder: Path, pool: FramePool
) -> MadeDelta | str:
    """Make a delta, or take the one that ``publish`` made, and apply it once.

    Args:
        planned: What leads where.
        archive: The new archive, with its index beside it.
        store: Where the old archive is; only those frames of it are fetched that the delta needs.
        folder: For the delta, and for what applying it takes meanwhile.
        pool: Compresses and decompresses.

    Returns:
        The delta, or the reason why it is left out: empty if it would save nothing.
    """
    try:
        return _make(planned, archive, store, folder, pool)
    except (ArchiveError, DeltaError, StoreError, TrustError) as error:
        return f"it cannot be made. {error.message}"
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise files.explain_os_error(error, "make deltas") from error
        return f"it cannot be applied on this machine: {error.strerror}"  # as links on Windows


def _make(planned: PlannedDelta, archive: Path, store: Store, folder: Path, pool: FramePool) -> MadeDelta | str:
    known = _read_index(store, planned.base, planned.platform)
    with ExitStack() as stack:
        new = stack.enter_context(open_archive(archive))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=files.TEMPORARY_PREFIX)))
        plan = plan_delta(known.index, new.index)
        used = {part.entry for frame in plan.frames for part in frame.prefix}
        path = planned.made
        largest = min(largest_useful(known.index, new.index), int(new.index.archive_size * _LARGEST_PART))
        if path is not None:
            if path.stat().st_size > largest:
                return ""
            used = _sources(read_header(path, check=False)[0], known.index)
        old = stack.enter_context(_open_parts(planned.base, known, used, store, place))
        if path is None:
            path = folder / f"{planned.platform}-{planned.layer_name}-{old.index.content_hash[7:23]}.vdelta"
            written = write_delta(
                plan, old, new, path, largest=largest, pool=pool, levels=_LEVELS, progress=lambda _: None
            )
            if written is None:
                return ""
        _apply(path, old, new, place, pool)
        size = path.stat().st_size
    return MadeDelta(DeltaReference(files.file_sha256(path), size, planned.base.content_hash), path)


def _read_index(store: Store, layer: ReleaseLayer, platform: str) -> LayerIndex:
    return check_layer_index(store.read(layer.index.name, layer.index.size).data, layer, platform)


@contextmanager
def _open_parts(
    layer: ReleaseLayer,
    known: LayerIndex,
    entries: Collection[IndexEntry],
    store: Store,
    folder: Path,
) -> Iterator[ArchiveReader]:
    """Fetch the frames that some files of an archive are in, and open it as if all of it were there."""
    index = known.index
    numbers = frames_of(index, entries)
    with open_partial(folder, layer.archive.sha256, index.frames) as archive:
        archive.fetch(store, group_frames(index.frames, numbers), numbers, lambda _: None)
        archive.stop(
            ArchiveError(f"The archive {layer.archive_name} was fetched in part, and more of it is needed.")
        )
        yield ArchiveReader(archive, f"{layer.archive_name} in {store.address}", index, known.contents)


def largest_useful(old: ArchiveIndex, new: ArchiveIndex) -> int:
    """Return the bytes of the frames that a client fetches who takes all else from files that it has."""
    there = {entry.sha256 for entry in old.entries}
    missing = [entry for entry in new.entries if entry.type is EntryKind.FILE and entry.sha256 not in there]
    return sum(new.frames[number].size for number in frames_of(new, missing))


def _sources(header: DeltaHeader, old: ArchiveIndex) -> set[IndexEntry]:
    """Return the files of the old layer that a delta's frames are decompressed against."""
    entries = {entry.path: entry for entry in old.entries}
    missing = [source.path for source in header.sources if source.path not in entries]
    if missing:
        raise DeltaError(f"The delta needs {missing[0]!r}, which the old layer does not have.")
    return {entries[source.path] for source in header.sources}


def _apply(delta: Path, old: ArchiveReader, new: ArchiveReader, place: Path, pool: FramePool) -> None:
    """Apply a delta as clients do, to as much of the old layer as it uses.

    Files that do not change have the new archive's content, if they are the same: they are not fetched.
    """
    header, start = read_header(delta, check=False)
    described = header.old_content_hash, header.content_hash
    if described != (old.index.content_hash, new.index.content_hash):
        raise DeltaError(f"The delta {delta.name} leads from or to another layer.")
    folder = place / "old"
    _write_old(header, old, new, folder)
    with open_delta(delta, header, start) as reader:
        apply_delta(reader, folder, place / new.index.install_target, pool, progress=lambda _: None)
    files.remove_tree(place / new.index.install_target)
    files.remove_tree(folder)


def _write_old(header: DeltaHeader, old: ArchiveReader, new: ArchiveReader, folder: Path) -> None:
    """Write the files of the old layer that a delta uses, verified by the old layer's index."""
    before = {entry.path: entry for entry in old.index.entries}
    after = {entry.path: entry for entry in new.index.entries}
    wanted = {entry.path: (old, entry) for entry in _sources(header, old.index)}
    for kept in header.entries:
        if kept.type is EntryKind.FILE and kept.size and not kept.frame:
            path = header.moved.get(kept.path, kept.path)
            found, content = before.get(path), after.get(kept.path)
            if found is None or content is None or found.sha256 != content.sha256:
                raise DeltaError(f"The delta keeps {path!r}, which is another file in the old layer.")
            wanted[path] = new, content
    for path, (reader, entry) in sorted(wanted.items(), key=_place):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.writelines(reader.content(entry))


def _place(item: tuple[str, tuple[ArchiveReader, IndexEntry]]) -> tuple[str, int, int]:
    """Sort files by where they are in their archives, so that each frame is decompressed once."""
    _, (reader, entry) = item
    return reader.name, entry.frame, entry.offset
