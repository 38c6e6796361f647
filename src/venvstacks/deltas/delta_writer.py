"""Writing a delta between two archives."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from venvstacks import files
from venvstacks.archives.archive_reader import ArchiveReader
from venvstacks.archives.archive_writer import WrittenFile
from venvstacks.archives.frame_layout import Slice, locate_files
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.deltas import prefixes
from venvstacks.deltas.archive_contents import gather
from venvstacks.deltas.blob import encode_start
from venvstacks.deltas.delta_format import SHORT, DeltaEntry, DeltaFrame, DeltaHeader, Source, Stretch
from venvstacks.deltas.delta_plan import DeltaPlan, PlannedFrame

_MOST_EFFORT = 64 << 20  # bytes of new content up to which time is of less account than size

WRITER_REVISION = 1
"""Rises when the same archives would give another delta."""

_BLOCK = 1 << 20
_CLEARLY_BETTER = 10  # content this many times as large as its patch would not be smaller without old content


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard a delta is compressed.

    Measured on wheels: level 12 finds what two builds by one compiler have in common, which lower levels do not;
    higher ones add nothing to that. What is truly new becomes a tenth smaller at level 19, in ten times the time.

    Attributes:
        level: Of the compression, 1 to 22.
        hard_level: Of frames that old content does not make far smaller, in deltas with little new content.
    """

    level: int = 12
    hard_level: int = 19


@dataclass(frozen=True, slots=True)
class _Packed:
    """A frame that is ready.

    Attributes:
        data: As it stands in the delta.
        content_size: Of what it holds, in bytes.
        prefix: What it has to be decompressed against.
    """

    data: bytes
    content_size: int
    prefix: tuple[Slice[IndexEntry], ...]


def write_delta(
    plan: DeltaPlan,
    old: ArchiveReader,
    new: ArchiveReader,
    destination: Path,
    *,
    largest: int,
    pool: FramePool,
    effort: Effort,
    progress: Callable[[int], None],
) -> WrittenFile | None:
    """Write a delta whose bytes depend on the contents of two archives and the effort alone.

    It appears under its name when it is complete. Frames are compressed in parallel; each thread takes up to about
    150 MB, whatever the sizes of files.
    """
    if plan.content_size > _MOST_EFFORT:
        effort = Effort(effort.level, effort.level)
    writing = _Writing(plan)
    with tempfile.TemporaryFile(dir=destination.parent, prefix=files.TEMPORARY_PREFIX) as spool:
        size = 0
        for packed in pool.in_order(plan.frames, partial(_pack, old, new, effort)):
            size += len(packed.data)
            if size > largest:
                return None
            spool.write(packed.data)
            writing.add(packed)
            progress(packed.content_size)
        start = encode_start(writing.header())
        if len(start) + size > largest:
            return None
        spool.seek(0)
        return _put_together(start, spool, destination)


def _pack(old: ArchiveReader, new: ArchiveReader, effort: Effort, frame: PlannedFrame) -> _Packed:
    content = gather(new, frame.content)
    prefix, used = gather(old, frame.prefix), frame.prefix
    data = prefixes.compress(content, prefix, effort.level)
    if len(data) * _CLEARLY_BETTER > len(content):
        if prefix:
            plain = prefixes.compress(content, b"", effort.level)
            if len(plain) <= len(data):
                data, prefix, used = plain, b"", ()
        if effort.hard_level > effort.level:
            data = min(data, prefixes.compress(content, prefix, effort.hard_level), key=len)
    return _Packed(data, len(content), used)


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


class _Writing:
    """Gathers what the header says of frames.

    Args:
        plan: What is written.
    """

    def __init__(self, plan: DeltaPlan) -> None:
        self._plan = plan
        self._frames: list[DeltaFrame] = []
        self._sources: dict[str, tuple[int, Source]] = {}

    def add(self, packed: _Packed) -> None:
        """Take note of the next frame."""
        prefix = tuple(Stretch(self._source(part.entry), part.start, part.size) for part in packed.prefix)
        self._frames.append(DeltaFrame(len(packed.data), packed.content_size, files.sha256(packed.data), prefix))

    def _source(self, entry: IndexEntry) -> int:
        source = Source(entry.path, entry.size, entry.sha256)
        return self._sources.setdefault(entry.path, (len(self._sources), source))[0]

    def header(self) -> DeltaHeader:
        """Return the header, when all frames are known."""
        plan = self._plan
        return DeltaHeader(
            layer_name=plan.new.layer_name,
            target_platform=plan.new.target_platform,
            old_content_hash=plan.old.content_hash,
            content_hash=plan.new.content_hash,
            install_target=plan.new.install_target,
            archive=plan.new.archive,
            mtime=plan.new.mtime,
            sources=tuple(source for _, source in self._sources.values()),
            frames=tuple(self._frames),
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
