"""Making the folder of a new layer from that of an old one and a delta."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from venvstacks import files
from venvstacks.archives.index import content_hash
from venvstacks.archives.pool import FramePool
from venvstacks.archives.staging import new_tree
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.deltas.blob import DeltaReader
from venvstacks.deltas.delta_format import DeltaEntry, DeltaFrame, DeltaHeader
from venvstacks.deltas.old_files import OldFiles
from venvstacks.entries import EntryKind
from venvstacks.errors import DeltaError

_EMPTY_SHA256 = files.sha256(b"")
_BATCH_FILES = 128
_BATCH_SIZE = 8 << 20


@dataclass(frozen=True, slots=True)
class Chain:
    """Frames that belong together, because files go from one to the next.

    Attributes:
        frames: Their numbers, from 0.
        entries: The files that they hold, in order.
    """

    frames: range
    entries: tuple[DeltaEntry, ...]

    @property
    def size(self) -> int:
        """Bytes of all the files."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Division:
    """What applying a delta does, in parts that any thread can do.

    Attributes:
        kept: Files that are copied from the old layer or are empty, in batches.
        moved: Path of a kept file -> its path in the old layer, where they differ.
        chains: What is decompressed.
    """

    kept: tuple[tuple[DeltaEntry, ...], ...]
    moved: Mapping[str, str]
    chains: tuple[Chain, ...]


def divide(header: DeltaHeader) -> Division:
    """Divide what has to be done; nothing is read or written."""
    kept = [entry for entry in header.entries if entry.type is EntryKind.FILE and not entry.frame]
    new = [entry for entry in header.entries if entry.frame]
    return Division(tuple(_batches(kept)), header.moved, tuple(_chains(new, header.frames)))


def _batches(kept: Sequence[DeltaEntry]) -> Iterator[tuple[DeltaEntry, ...]]:
    batch: list[DeltaEntry] = []
    size = 0
    for entry in kept:
        batch.append(entry)
        size += entry.size
        if len(batch) == _BATCH_FILES or size >= _BATCH_SIZE:
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def _chains(new: Sequence[DeltaEntry], frames: Sequence[DeltaFrame]) -> Iterator[Chain]:
    first, number, left = 0, 0, 0
    held: list[DeltaEntry] = []
    for entry in new:
        if not left and held:  # the entry begins a frame
            yield Chain(range(first, number), tuple(held))
            first, held = number, []
        held.append(entry)
        left -= entry.size
        while left < 0:
            left += frames[number].content_size
            number += 1
    if held:
        yield Chain(range(first, number), tuple(held))


def apply_delta(
    delta: DeltaReader, old: Path, destination: Path, pool: FramePool, *, progress: Callable[[int], None]
) -> None:
    """Make the folder of a new layer, which appears when it is complete and verified.

    The folder is the one that unpacking the new archive makes. Nothing of it shares its place on the disk with the
    old folder in such a way that writing to one changes the other.
    """
    header = delta.header
    what = f"the delta {delta.name}"
    entries = [entry.with_hash("") for entry in header.entries]
    with new_tree(destination, entries, header.mtime, what) as tree:
        patcher = _Patcher(delta, OldFiles(old, header), tree, pool, progress)
        pool.run_all(patcher.tasks(divide(header)))
        patcher.check()


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
        self._hashes: dict[str, str] = {}

    def tasks(self, plan: Division) -> list[Callable[[], None]]:
        """Return the parts, which may be done in any order: the largest first, as they take longest."""
        chains = sorted(plan.chains, key=lambda chain: -chain.size)
        kept = sorted(plan.kept, key=lambda batch: -sum(entry.size for entry in batch))
        return [
            *(partial(self._write_chain, chain) for chain in chains),
            *(partial(self._keep, batch, plan.moved) for batch in kept),
        ]

    def check(self) -> None:
        """Ensure that everything together is the new layer."""
        header = self._delta.header
        made = [entry.with_hash(self._hashes.get(entry.path, "")) for entry in header.entries]
        if content_hash(made, header.mtime) != header.content_hash:
            raise DeltaError(
                f"The delta {self._delta.name} cannot be applied: what it makes of {self._old.folder} is not the "
                "layer that it names.",
                hint=f"fetch the whole archive, {header.archive}, and unpack it",
            )

    def _keep(self, batch: Sequence[DeltaEntry], moved: Mapping[str, str]) -> None:
        for entry in batch:
            path = moved.get(entry.path, entry.path)
            with self._tree.open(entry.with_hash(_EMPTY_SHA256)) as file:
                self._hashes[entry.path] = self._old.copy(path, entry, file) if entry.size else _EMPTY_SHA256
            self._progress(entry.size)

    def _write_chain(self, chain: Chain) -> None:
        contents = self._contents(chain.frames)
        content = memoryview(b"")
        for entry in chain.entries:
            left = entry.size
            with self._tree.open(entry.with_hash(entry.sha256)) as file:
                while left:
                    if not content:
                        content = memoryview(next(contents))
                    file.write(content[:left])
                    taken = min(left, len(content))
                    content = content[taken:]
                    left -= taken
            self._hashes[entry.path] = entry.sha256
            self._progress(entry.size)

    def _contents(self, frames: range) -> Iterator[bytes]:
        """Return the contents of frames, in order; idle threads decompress the next ones meanwhile."""
        for number, content in self._pool.ahead(frames, self._frame):
            yield self._frame(number) if content is None else content

    def _frame(self, number: int) -> bytes:
        return self._delta.frame(number, self._old.prefix(self._delta.header.frames[number].prefix))
