"""Writing a folder as an archive, with its index."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from venvstacks import files
from venvstacks.archives.archive_plan import ArchivePlan
from venvstacks.archives.entry_rules import case_clash
from venvstacks.archives.formats import CODECS, ArchiveFormat
from venvstacks.archives.frame_cache import FrameCache, PackedFrame
from venvstacks.archives.frame_layout import content_size, locate_files
from venvstacks.archives.index import FORMAT, ArchiveIndex, Frame, IndexEntry, content_hash, encode_index
from venvstacks.archives.packing import Packer
from venvstacks.archives.pool import FramePool
from venvstacks.archives.zips import write_zip
from venvstacks.entries import EntryKind
from venvstacks.manifests.manifest_format import index_beside


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that was written: its size is in bytes, its hash has 64 hexadecimal digits."""

    name: str
    size: int
    sha256: str


def write_archive(
    plan: ArchivePlan,
    folder: Path,
    destination: Path,
    *,
    layer_name: str,
    target_platform: str,
    pool: FramePool,
    cache: FrameCache | None,
    progress: Callable[[int], None],
) -> tuple[WrittenFile, WrittenFile, str]:
    """Write a folder as an archive whose bytes depend on the plan and the contents of the files alone.

    Archive and index appear under their names when they are complete, in this order. Both are returned, with the
    content hash, which is the same in every format. Memory use does not grow with the sizes of files, and by some
    hundred bytes with each entry.
    """
    packer = Packer(plan, folder, cache, pool, progress=progress)
    with files.atomic_path(destination) as temporary, temporary.open("xb") as file:
        output = _Output(file)
        if plan.profile.format is ArchiveFormat.ZIP:
            frames = tuple(write_zip(output.write, plan, packer.pack()))
        else:
            frames = tuple(_write_tar(output, plan, packer.pack()))
        flushed = pool.submit(output.flush)  # the disk is at work while the index is made
        archive = WrittenFile(destination.name, output.size, output.hash.hexdigest())
        entries = tuple(_entries(plan, packer))
        index = ArchiveIndex(
            format=FORMAT,
            archive=archive.name,
            archive_size=archive.size,
            codec=CODECS[plan.profile.format],
            layer_name=layer_name,
            install_target=plan.top,
            target_platform=target_platform,
            mtime=plan.mtime,
            content_hash=content_hash(entries, plan.mtime),
            differs_in_case=case_clash(entries) is not None,
            frames=frames,
            entries=entries,
        )
        data = encode_index(index)
        flushed.result()
    place = index_beside(destination)
    files.write_bytes(place, data)
    return archive, WrittenFile(place.name, len(data), files.sha256(data)), index.content_hash


class _Output:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.hash.update(data)
        self.size += len(data)

    def flush(self) -> None:
        """Let the disk hold what was written."""
        self._file.flush()
        os.fsync(self._file.fileno())


def _write_tar(output: _Output, plan: ArchivePlan, packed: Iterable[PackedFrame]) -> Iterator[Frame]:
    for parts, (data, sha256, _) in zip(plan.frames, packed, strict=True):
        offset = output.size
        output.write(data)
        yield Frame(offset, len(data), content_size(parts), sha256)


def _entries(plan: ArchivePlan, packer: Packer) -> Iterator[IndexEntry]:
    places = locate_files(plan.frames)
    for entry in plan.entries:
        sha256 = packer.sha256(entry) if entry.type is EntryKind.FILE else ""
        frame, offset = places.get(entry.path, (0, 0))
        yield IndexEntry(entry.path, entry.type, entry.mode, entry.size, entry.target, sha256, frame, offset)
