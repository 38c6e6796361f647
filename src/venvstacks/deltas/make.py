"""Writing a delta between two archives."""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from venvstacks import files
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.archives.reading import ArchiveReader
from venvstacks.archives.write import WrittenFile
from venvstacks.deltas import prefixes
from venvstacks.deltas.blob import encode_start
from venvstacks.deltas.contents import gather
from venvstacks.deltas.model import DeltaFrame, DeltaHeader, Source, Stretch
from venvstacks.deltas.plan import DeltaPlan, Part, PlannedFrame

LEVEL = 12
"""Of the compression: higher ones take ten times as long for a tenth less, lower ones find too little."""

WRITER_REVISION = 1
"""Rises when the same archives would give another delta."""

_BLOCK = 1 << 20
_CLEARLY_BETTER = 10  # content this many times as large as its patch would not be smaller without old content


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
    prefix: tuple[Part, ...]


def write_delta(
    plan: DeltaPlan,
    old: ArchiveReader,
    new: ArchiveReader,
    destination: Path,
    *,
    largest: int,
    pool: FramePool,
    level: int = LEVEL,
    progress: Callable[[int], None],
) -> WrittenFile | None:
    """Write a delta whose bytes depend on the contents of two archives and the level alone.

    It appears under its name when it is complete. Frames are compressed in parallel; each thread takes up to about
    150 MB, whatever the sizes of files.

    Args:
        plan: What it holds.
        old: The archive of the layer that clients have.
        new: The archive of the layer that they shall get.
        destination: The delta.
        largest: Bytes from which on it is of no use.
        pool: Compresses.
        level: Of the compression, 1 to 22.
        progress: Called with the number of bytes of new content handled since the last call.

    Returns:
        The delta, or None if it would be larger than it may.

    Raises:
        ArchiveError: An archive is not what its index says.
        OSError: Something cannot be read or written.
    """
    writing = _Writing(plan)
    with tempfile.TemporaryFile(dir=destination.parent, prefix=files.TEMPORARY_PREFIX) as spool:
        size = 0
        for packed in pool.in_order(plan.frames, partial(_pack, old, new, level)):
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


def _pack(old: ArchiveReader, new: ArchiveReader, level: int, frame: PlannedFrame) -> _Packed:
    content = gather(new, frame.content)
    if frame.prefix:
        data = prefixes.compress(content, gather(old, frame.prefix), level)
        if len(data) * _CLEARLY_BETTER <= len(content):
            return _Packed(data, len(content), frame.prefix)
        plain = prefixes.compress(content, b"", level)
        if len(data) < len(plain):
            return _Packed(data, len(content), frame.prefix)
        return _Packed(plain, len(content), ())
    return _Packed(prefixes.compress(content, b"", level), len(content), ())


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
        """Give the header, when all frames are known."""
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
            entries=_placed(plan.new.entries, plan.frames),
            moved=dict(plan.moved),
        )


def _placed(entries: Sequence[IndexEntry], frames: Sequence[PlannedFrame]) -> tuple[IndexEntry, ...]:
    """Say of files where they are in the delta, and not where they are in the archive."""
    places: dict[str, tuple[int, int]] = {}
    for number, frame in enumerate(frames, 1):
        offset = 0
        for part in frame.content:
            places.setdefault(part.entry.path, (number, offset))
            offset += part.size
    replaced = []
    for entry in entries:
        frame_number, offset = places.get(entry.path, (0, 0))
        replaced.append(msgspec.structs.replace(entry, frame=frame_number, offset=offset))
    return tuple(replaced)
