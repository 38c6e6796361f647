"""Making the folder of a new layer from that of an old one and a delta."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from msgspec import structs

from venvstacks.archives.index import content_hash
from venvstacks.archives.pool import FramePool
from venvstacks.archives.staging import new_tree
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.deltas.delta_file import DeltaReader
from venvstacks.deltas.delta_format import DeltaEntry, DeltaFrame
from venvstacks.deltas.old_files import OldFiles
from venvstacks.entries import EntryKind, batches
from venvstacks.errors import DeltaError

_BATCH_FILES = 128
_BATCH_SIZE = 8 << 20


class KeptFiles(Protocol):
    """Puts files of an old layer that are kept into the tree of the new one; any thread may use it."""

    def take(self, path: str, entry: DeltaEntry, tree: TreeWriter) -> str:
        """Put the file with a path in the old layer, which is not empty, into the tree, and return its SHA-256."""
        ...


def apply_delta(
    delta: DeltaReader,
    old: Path,
    destination: Path,
    pool: FramePool,
    *,
    progress: Callable[[int], None],
    kept: KeptFiles | None = None,
) -> None:
    """Make the folder of a new layer, which appears when it is complete and verified.

    The folder is the one that unpacking the new archive makes. Nothing of it shares its place on the disk with the
    old folder in such a way that writing to one changes the other, unless ``kept`` does so.
    """
    header = delta.header
    with new_tree(destination, header.entries, header.mtime, f"The delta {delta.name}") as tree:
        files = OldFiles(old, header)
        patcher = _Patcher(delta, files, kept or files, tree, pool=pool, progress=progress)
        pool.run_all(patcher.tasks())
        patcher.check()


class _Patcher:
    """The parts of applying one delta, which any thread can do."""

    def __init__(
        self,
        delta: DeltaReader,
        old: OldFiles,
        kept: KeptFiles,
        tree: TreeWriter,
        *,
        pool: FramePool,
        progress: Callable[[int], None],
    ) -> None:
        self._delta = delta
        self._old = old
        self._kept = kept
        self._tree = tree
        self._pool = pool
        self._progress = progress
        self._hashes: dict[str, str] = {}

    def tasks(self) -> list[Callable[[], None]]:
        """Return the parts, which may be done in any order: the largest first, as they take longest."""
        header = self._delta.header
        new = [entry for entry in header.entries if entry.frame]
        kept = [entry for entry in header.entries if entry.type is EntryKind.FILE and not entry.frame]
        chains = sorted(_chains(new, header.frames), key=lambda chain: -_size(chain[1]))
        copied = sorted(batches(kept, _BATCH_FILES, _BATCH_SIZE), key=lambda batch: -_size(batch))
        return [
            *(partial(self._write_chain, frames, entries) for frames, entries in chains),
            *(partial(self._keep, batch) for batch in copied),
        ]

    def check(self) -> None:
        """Ensure that everything together is the new layer."""
        header = self._delta.header
        made = [structs.replace(entry, sha256=self._hashes.get(entry.path, "")) for entry in header.entries]
        if content_hash(made, header.mtime) != header.content_hash:
            raise DeltaError(
                f"The delta {self._delta.name} cannot be applied: what it makes of {self._old.folder} is not the "
                "layer that it names.",
                hint=f"fetch the whole archive, {header.archive}, and unpack it",
            )

    def _keep(self, batch: Sequence[DeltaEntry]) -> None:
        """Copy files from the old layer, or make empty ones."""
        moved = self._delta.header.moved
        for entry in batch:
            if entry.size:
                old_path = moved.get(entry.path, entry.path)
                self._hashes[entry.path] = self._kept.take(old_path, entry, self._tree)
            else:
                with self._tree.open(entry) as file:
                    self._hashes[entry.path] = file.sha256
            self._progress(entry.size)

    def _write_chain(self, frames: range, entries: Sequence[DeltaEntry]) -> None:
        contents = self._contents(frames)
        content = memoryview(b"")
        for entry in entries:
            left = entry.size
            with self._tree.open(entry) as file:
                while left:
                    content = content or memoryview(next(contents))
                    taken = min(left, len(content))
                    file.write(content[:taken])
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


def _size(entries: Sequence[DeltaEntry]) -> int:
    return sum(entry.size for entry in entries)


def _chains(new: Sequence[DeltaEntry], frames: Sequence[DeltaFrame]) -> Iterator[tuple[range, list[DeltaEntry]]]:
    """Divide frames where a file ends with its frame, and return also the files that they hold."""
    first, number, left = 0, 0, 0
    held: list[DeltaEntry] = []
    for entry in new:
        if not left and held:
            yield range(first, number), held
            first, held = number, []
        held.append(entry)
        left -= entry.size
        while left < 0:
            left += frames[number].content_size
            number += 1
    if held:
        yield range(first, number), held
