"""Making the folder of a new layer from that of an old one and a delta."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from venvstacks.archives.index import IndexEntry
from venvstacks.archives.placing import TreeWriter, new_tree
from venvstacks.archives.pool import FramePool
from venvstacks.deltas.blob import DeltaReader
from venvstacks.deltas.model import DeltaFrame, DeltaHeader
from venvstacks.deltas.old_files import OldFiles
from venvstacks.trees import EntryKind

_BATCH_FILES = 128
_BATCH_SIZE = 8 << 20
_AHEAD = 2  # frames of a large file that are decompressed while another is written


@dataclass(frozen=True, slots=True)
class Chain:
    """Frames that belong together, because files go from one to the next.

    Attributes:
        frames: Their numbers, from 0.
        files: What they hold, in order.
    """

    frames: range
    files: tuple[IndexEntry, ...]

    @property
    def size(self) -> int:
        """Bytes of all the files."""
        return sum(entry.size for entry in self.files)


@dataclass(frozen=True, slots=True)
class Division:
    """What applying a delta does, in parts that any thread can do.

    Attributes:
        kept: Files that are copied from the old layer or are empty, in batches.
        moved: Path of a kept file -> its path in the old layer, where they differ.
        chains: What is decompressed.
    """

    kept: tuple[tuple[IndexEntry, ...], ...]
    moved: Mapping[str, str]
    chains: tuple[Chain, ...]


def divide(header: DeltaHeader) -> Division:
    """Divide what has to be done; nothing is read or written."""
    kept = [entry for entry in header.entries if entry.type is EntryKind.FILE and not entry.frame]
    new = [entry for entry in header.entries if entry.frame]
    return Division(tuple(_batches(kept)), header.moved, tuple(_chains(new, header.frames)))


def _batches(kept: Sequence[IndexEntry]) -> Iterator[tuple[IndexEntry, ...]]:
    batch: list[IndexEntry] = []
    size = 0
    for entry in kept:
        batch.append(entry)
        size += entry.size
        if len(batch) == _BATCH_FILES or size >= _BATCH_SIZE:
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def _chains(new: Sequence[IndexEntry], frames: Sequence[DeltaFrame]) -> Iterator[Chain]:
    first, number, left = 0, 0, 0
    files: list[IndexEntry] = []
    for entry in new:
        if not left and files:  # the entry begins a frame
            yield Chain(range(first, number), tuple(files))
            first, files = number, []
        files.append(entry)
        left -= entry.size
        while left < 0:
            left += frames[number].content_size
            number += 1
    if files:
        yield Chain(range(first, number), tuple(files))


def apply_delta(
    delta: DeltaReader, old: Path, destination: Path, pool: FramePool, *, progress: Callable[[int], None]
) -> None:
    """Make the folder of a new layer, which appears when it is complete and verified.

    The folder is the one that unpacking the new archive makes. Nothing of it shares its place on the disk with the
    old folder in such a way that writing to one changes the other.

    Args:
        delta: The open delta.
        old: Folder of the old layer; it is only read.
        destination: Folder of the new layer.
        pool: Reads, decompresses, verifies and writes.
        progress: Called with the number of bytes written since the last call, from any thread.

    Raises:
        DeltaError: A file of the old folder is not what was published, or the delta is damaged.
        ArchiveError: The delta describes what must not be in a layer.
        FileExistsError: Something is at the destination already.
        OSError: Something cannot be read or written.
    """
    header = delta.header
    what = f"the delta {delta.name}"
    with new_tree(destination, header.entries, header.mtime, what) as tree:
        patcher = _Patcher(delta, OldFiles(old, header), tree, pool, progress)
        begun = [pool.submit(task) for task in patcher.tasks(divide(header))]
        try:
            wait(begun, return_when=FIRST_EXCEPTION)
            for future in begun:
                if future.done():
                    future.result()
        finally:
            for future in begun:
                future.cancel()
            wait(begun)


class _Patcher:
    """The parts of applying one delta."""

    def __init__(
        self,
        delta: DeltaReader,
        old: OldFiles,
        tree: TreeWriter,
        pool: FramePool,
        progress: Callable[[int], None],
    ) -> None:
        self._delta = delta
        self._old = old
        self._tree = tree
        self._pool = pool
        self._progress = progress

    def tasks(self, plan: Division) -> list[Callable[[], None]]:
        """Give the parts, which may be done in any order: the largest first, as they take longest."""
        chains = sorted(plan.chains, key=lambda chain: -chain.size)
        kept = sorted(plan.kept, key=lambda batch: -sum(entry.size for entry in batch))
        return [
            *(partial(self._write_chain, chain) for chain in chains),
            *(partial(self._keep, batch, plan.moved) for batch in kept),
        ]

    def _keep(self, batch: Sequence[IndexEntry], moved: Mapping[str, str]) -> None:
        for entry in batch:
            path = moved.get(entry.path, entry.path)
            with self._tree.open(entry) as file:
                if entry.size:
                    self._old.copy(path, entry.size, file)
            self._progress(entry.size)

    def _write_chain(self, chain: Chain) -> None:
        contents = self._contents(chain.frames)
        content = memoryview(b"")
        for entry in chain.files:
            left = entry.size
            with self._tree.open(entry) as file:
                while left:
                    if not content:
                        content = memoryview(next(contents))
                    file.write(content[:left])
                    taken = min(left, len(content))
                    content = content[taken:]
                    left -= taken
            self._progress(entry.size)

    def _contents(self, frames: range) -> Iterator[bytes]:
        """Give the contents of frames, in order; idle threads decompress the next ones meanwhile."""
        ahead: dict[int, Future[bytes]] = {}
        try:
            for number in frames:
                for later in range(number + 1, min(number + 1 + _AHEAD, frames.stop)):
                    if later not in ahead:
                        ahead[later] = self._pool.submit(partial(self._frame, later))
                future = ahead.pop(number, None)
                # one that no thread has begun yet would be waited for too long, or for ever
                yield self._frame(number) if future is None or future.cancel() else future.result()
        finally:
            for future in ahead.values():
                future.cancel()

    def _frame(self, number: int) -> bytes:
        return self._delta.frame(number, self._old.prefix(self._delta.header.frames[number].prefix))
