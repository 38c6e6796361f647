"""Unpacking archives: in parallel, verified while it is written, and whole or not at all."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from venvstacks.archives.archive_reader import ArchiveReader
from venvstacks.archives.frame_layout import slices_of
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.archives.staging import new_tree
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.entries import EntryKind


def unpack_archive(
    reader: ArchiveReader,
    destination: Path,
    pool: FramePool,
    *,
    replace: bool,
    progress: Callable[[int], None],
) -> None:
    """Unpack an archive into a folder that appears when it is complete."""
    index = reader.index
    with new_tree(destination, index.entries, index.mtime, f"The archive {reader.name}", replace=replace) as tree:
        pool.run_all([task.run for task in Unpacker(reader, tree, pool, progress).tasks()])


@dataclass(frozen=True, slots=True)
class UnpackTask:
    """A part of unpacking an archive.

    Attributes:
        frame: Number of the first frame that it reads, so that it can begin when that one is there; None if it
            reads none.
    """

    frame: int | None
    run: Callable[[], None]


class Unpacker:
    """The parts of unpacking one archive, or some of its files.

    With ``believes_frames``, files are not hashed one by one: each frame has the hash that the index says, and
    holds each file where the index says. That saves a quarter of the time; it is for indexes that are signed.
    """

    def __init__(
        self,
        reader: ArchiveReader,
        tree: TreeWriter,
        pool: FramePool,
        progress: Callable[[int], None],
        *,
        believes_frames: bool = False,
    ) -> None:
        self._reader = reader
        self._tree = tree
        self._pool = pool
        self._progress = progress
        self._verified = believes_frames

    def tasks(self, wanted: Collection[str] | None = None) -> list[UnpackTask]:
        """Return the parts, which may be done in any order: large files first, as they take longest.

        Args:
            wanted: Paths of the files to write; all if it is None.
        """
        large: dict[str, IndexEntry] = {}
        frames: list[UnpackTask] = []
        for number, parts in enumerate(self._reader.contents):
            all_slices = slices_of(parts)
            slices = [part for part in all_slices if wanted is None or part.entry.path in wanted]
            divided = [part for part in slices if part.size != part.entry.size]
            large |= {part.entry.path: part.entry for part in divided}
            # also one that holds nothing but headers, which are compared with the index
            if len(divided) < len(slices) or (wanted is None and not all_slices):
                frames.append(UnpackTask(number, partial(self._write_frame, number, wanted)))
        empty = [
            entry
            for entry in self._reader.index.entries
            if entry.type is EntryKind.FILE and not entry.size and (wanted is None or entry.path in wanted)
        ]
        largest_first = sorted(large.values(), key=lambda entry: -entry.size)
        return [
            *(UnpackTask(entry.frame, partial(self._write_large, entry)) for entry in largest_first),
            *frames,
            UnpackTask(None, partial(self._write_empty, empty)),
        ]

    def _write_empty(self, entries: Sequence[IndexEntry]) -> None:
        for entry in entries:
            self._tree.write(entry, ())

    def _write_frame(self, number: int, wanted: Collection[str] | None) -> None:
        """Write the files of which a frame holds the whole content."""
        for part, pieces in groupby(self._reader.walk(number), key=itemgetter(0)):
            if part.size == part.entry.size and (wanted is None or part.entry.path in wanted):
                self._tree.write(part.entry, (piece for _, piece in pieces), verified=self._verified)
                self._progress(part.size)

    def _write_large(self, entry: IndexEntry) -> None:
        """Write a file that goes over several frames; idle threads decompress the next ones meanwhile."""
        pieces = tuple(self._reader.index.pieces(entry))
        with self._tree.open(entry, verified=self._verified) as file:
            for (number, start, size), content in self._pool.ahead(
                pieces, lambda piece: self._reader.frame(piece[0])
            ):
                if content is not None:
                    file.write(memoryview(content)[start : start + size])
                else:
                    for piece in self._own(entry, number):
                        file.write(piece)
                self._progress(size)

    def _own(self, entry: IndexEntry, number: int) -> Iterator[memoryview]:
        """Return what a frame holds of a file."""
        return (piece for part, piece in self._reader.walk(number) if part.entry is entry)
