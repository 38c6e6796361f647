"""Deciding what is taken from the old layer, and what is compressed against what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.deltas.matching import counterparts
from venvstacks.deltas.model import SMALLEST_PREFIX
from venvstacks.trees import EntryKind

FRAME_CONTENT = 8 << 20
"""Bytes of the content of a frame: files share frames up to this size, and larger ones are cut to it."""

_SMALLEST_SLACK = 4 << 20
_LARGEST_SLACK = 12 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file of the old or the new layer.

    Attributes:
        entry: The file.
        start: Where the part begins, in bytes.
        size: Of the part, in bytes.
    """

    entry: IndexEntry
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class PlannedFrame:
    """What is compressed together, and against what.

    Attributes:
        content: Parts of new files.
        prefix: Parts of old files.
    """

    content: tuple[Part, ...]
    prefix: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class DeltaPlan:
    """What a delta will hold.

    Attributes:
        old: The old layer.
        new: The new layer.
        frames: In the order of the delta.
        moved: Path of a new file -> path of an old one with the same content, where they differ.
    """

    old: ArchiveIndex
    new: ArchiveIndex
    frames: tuple[PlannedFrame, ...]
    moved: Mapping[str, str]

    @property
    def content_size(self) -> int:
        """Bytes of all new content."""
        return sum(part.size for frame in self.frames for part in frame.content)


def plan_delta(old: ArchiveIndex, new: ArchiveIndex) -> DeltaPlan:
    """Decide what a delta holds; nothing is read or written.

    Args:
        old: Index of the layer that clients have.
        new: Index of the layer that they shall get.
    """
    paths: dict[str, list[str]] = {}
    for entry in old.entries:
        if entry.type is EntryKind.FILE:
            paths.setdefault(entry.sha256, []).append(entry.path)
    moved, changed = {}, []
    for entry in new.entries:
        if entry.type is not EntryKind.FILE or not entry.size:
            continue
        same = paths.get(entry.sha256)
        if same is None:
            changed.append(entry)
        elif entry.path not in same:
            moved[entry.path] = min(same)
    likes = counterparts(old.entries, changed)
    return DeltaPlan(old, new, tuple(_frames(changed, likes)), moved)


def _frames(changed: Sequence[IndexEntry], likes: Mapping[str, IndexEntry]) -> Iterator[PlannedFrame]:
    waiting: list[IndexEntry] = []
    size = 0
    for entry in changed:
        if waiting and size + entry.size > FRAME_CONTENT:
            yield _shared(waiting, likes)
            waiting, size = [], 0
        if entry.size > FRAME_CONTENT:
            yield from _cut(entry, likes.get(entry.path))
        else:
            waiting.append(entry)
            size += entry.size
    if waiting:
        yield _shared(waiting, likes)


def _shared(entries: Sequence[IndexEntry], likes: Mapping[str, IndexEntry]) -> PlannedFrame:
    """Put files into one frame, against all the old files that they are like."""
    content = tuple(Part(entry, 0, entry.size) for entry in entries)
    sources = {likes[entry.path].path: likes[entry.path] for entry in entries if entry.path in likes}
    prefix, room = [], FRAME_CONTENT + 2 * _LARGEST_SLACK
    for source in sources.values():
        if source.size <= room:
            prefix.append(Part(source, 0, source.size))
            room -= source.size
    return PlannedFrame(content, _usable(tuple(prefix)))


def _cut(entry: IndexEntry, like: IndexEntry | None) -> Iterator[PlannedFrame]:
    """Divide a large file between frames, each against what stands in the old file about where it stands itself.

    How far that may have moved is seen by how much larger or smaller the file has become.
    """
    for start in range(0, entry.size, FRAME_CONTENT):
        size = min(FRAME_CONTENT, entry.size - start)
        content = (Part(entry, start, size),)
        if like is None:
            yield PlannedFrame(content, ())
            continue
        slack = min(max(2 * abs(entry.size - like.size), _SMALLEST_SLACK), _LARGEST_SLACK)
        middle = (2 * start + size) * like.size // (2 * entry.size)
        first = max(0, middle - size // 2 - slack)
        last = min(like.size, middle + size // 2 + slack)
        yield PlannedFrame(content, _usable((Part(like, first, last - first),)))


def _usable(prefix: tuple[Part, ...]) -> tuple[Part, ...]:
    return prefix if sum(part.size for part in prefix) >= SMALLEST_PREFIX else ()
