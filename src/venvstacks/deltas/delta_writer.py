"""Writing a delta between two archives."""

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from venvstacks import files
from venvstacks.archives.archive_reader import ArchiveReader
from venvstacks.archives.archive_writer import WrittenFile
from venvstacks.archives.frame_layout import Slice, locate_files
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.deltas.delta_file import compress_frame, encode_start
from venvstacks.deltas.delta_format import SHORT, DeltaEntry, DeltaFrame, DeltaHeader, Source, Stretch
from venvstacks.deltas.delta_plan import DeltaPlan, PlannedFrame

LEVEL = 12
"""Level of the compression.

Measured on wheels: it finds what two builds by one compiler have in common, which lower levels do not; higher ones
add nothing to that."""

HARD_LEVEL = 19
"""Level for frames that old content does not make far smaller, in deltas with little new content.

What is truly new becomes a tenth smaller than at :data:`LEVEL`, in ten times the time."""

_MOST_HARD = 64 << 20  # bytes of new content up to which time is of less account than size
_CLEARLY_BETTER = 10  # content this many times as large as its patch would not be smaller without old content
_BLOCK = 1 << 20

_Parts = Sequence[Slice[IndexEntry]]


def write_delta(
    plan: DeltaPlan,
    old: ArchiveReader,
    new: ArchiveReader,
    destination: Path,
    *,
    largest: int,
    pool: FramePool,
    levels: tuple[int, int],
    progress: Callable[[int], None],
) -> WrittenFile | None:
    """Write a delta whose bytes depend on the contents of two archives and the levels alone.

    It appears under its name when it is complete; there is none if it would have more than ``largest`` bytes. The
    levels are what :data:`LEVEL` and :data:`HARD_LEVEL` are for. Frames are compressed in parallel; each thread
    takes up to about 150 MB, whatever the sizes of files.
    """
    level, hard_level = levels if plan.content_size <= _MOST_HARD else (levels[0], levels[0])
    frames: list[DeltaFrame] = []
    sources: dict[Source, int] = {}
    with tempfile.TemporaryFile(dir=destination.parent, prefix=files.TEMPORARY_PREFIX) as spool:
        size = 0
        packed = pool.in_order(plan.frames, partial(_pack, old, new, level, hard_level))
        for (data, prefix), planned in zip(packed, plan.frames, strict=False):
            size += len(data)
            if size > largest:
                return None
            spool.write(data)
            stretches = tuple(_stretch(part, sources) for part in prefix)
            frames.append(DeltaFrame(len(data), planned.content_size, files.sha256(data), stretches))
            progress(planned.content_size)
        start = encode_start(_header(plan, frames, tuple(sources)))
        if len(start) + size > largest:
            return None
        spool.seek(0)
        return _put_together(start, spool, destination)


def _pack(
    old: ArchiveReader, new: ArchiveReader, level: int, hard_level: int, frame: PlannedFrame
) -> tuple[bytes, _Parts]:
    """Compress a frame, and return also what it has to be decompressed against."""
    content = gather(new, frame.content)
    prefix, used = gather(old, frame.prefix), frame.prefix
    data = compress_frame(content, prefix, level)
    if len(data) * _CLEARLY_BETTER > len(content):
        if prefix:
            plain = compress_frame(content, b"", level)
            if len(plain) <= len(data):
                data, prefix, used = plain, b"", ()
        if hard_level > level:
            data = min(data, compress_frame(content, prefix, hard_level), key=len)
    return data, used


def gather(reader: ArchiveReader, parts: _Parts) -> bytes:
    """Read parts of files from an archive and put them together.

    Each frame of the archive that holds some of it is decompressed once.
    """
    content = bytearray(sum(part.size for part in parts))
    wanted: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    place = 0
    for part in parts:
        before = 0
        for number, start, size in reader.index.pieces(part.entry):
            first = max(part.start, before)
            last = min(part.start + part.size, before + size)
            if first < last:
                wanted[number].append((start + first - before, last - first, place + first - part.start))
            before += size
        place += part.size
    for number, pieces in sorted(wanted.items()):
        frame = memoryview(reader.frame(number))
        for start, size, where in pieces:
            content[where : where + size] = frame[start : start + size]
    return bytes(content)


def _stretch(part: Slice[IndexEntry], sources: dict[Source, int]) -> Stretch:
    source = Source(part.entry.path, part.entry.size, part.entry.sha256)
    return Stretch(sources.setdefault(source, len(sources)), part.start, part.size)


def _header(plan: DeltaPlan, frames: Sequence[DeltaFrame], sources: Sequence[Source]) -> DeltaHeader:
    return DeltaHeader(
        layer_name=plan.new.layer_name,
        target_platform=plan.new.target_platform,
        old_content_hash=plan.old.content_hash,
        content_hash=plan.new.content_hash,
        install_target=plan.new.install_target,
        archive=plan.new.archive,
        mtime=plan.new.mtime,
        sources=tuple(sources),
        frames=tuple(frames),
        entries=tuple(_placed(plan.new.entries, plan.frames)),
        moved=dict(plan.moved),
    )


def _placed(entries: Sequence[IndexEntry], frames: Sequence[PlannedFrame]) -> Iterator[DeltaEntry]:
    """Describe of files where they are in the delta, and not where they are in the archive."""
    places = locate_files(frame.content for frame in frames)
    for entry in entries:
        frame, offset = places.get(entry.path, (-1, 0))  # counted from 1 in deltas, where 0 means none
        sha256 = entry.sha256[:SHORT] if frame < 0 else entry.sha256
        yield DeltaEntry(entry.path, entry.type, entry.mode, entry.size, entry.target, sha256, frame + 1, offset)


def _put_together(start: bytes, frames: BinaryIO, destination: Path) -> WrittenFile:
    digest = hashlib.sha256(start)
    size = len(start)
    with files.atomic_path(destination) as temporary, temporary.open("xb") as file:
        file.write(start)
        while block := frames.read(_BLOCK):
            digest.update(block)
            size += len(block)
            file.write(block)
    return WrittenFile(destination.name, size, digest.hexdigest())
