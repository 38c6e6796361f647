"""Deciding what is taken from the old layer, and what is compressed against what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from venvstacks.archives.frame_layout import Slice
from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.deltas.delta_format import SMALLEST_PREFIX
from venvstacks.deltas.matching import counterparts
from venvstacks.entries import EntryKind

FRAME_CONTENT = 8 << 20
"""Bytes of the content of a frame: files share frames up to this size, and larger ones are cut to it.

Measured on patch releases of numpy, scipy, pandas and torch: with less, functions that one compiler puts into
many libraries are sent more often; with more, the codec's tables become too small for what they index."""

_SMALLEST_SLACK, _LARGEST_SLACK = 0.5, 1.5  # around a part of a large file, as parts of a frame's content


@dataclass(frozen=True, slots=True)
class PlannedFrame:
    """Parts of new files that are compressed together, and parts of old files that they are compressed against."""

    content: tuple[Slice[IndexEntry], ...]
    prefix: tuple[Slice[IndexEntry], ...]

    @property
    def content_size(self) -> int:
        """Bytes of the new content."""
        return sum(part.size for part in self.content)


@dataclass(frozen=True, slots=True)
class DeltaPlan:
    """What a delta will hold; ``moved`` maps paths of new files to where the old layer has the same content."""

    old: ArchiveIndex
    new: ArchiveIndex
    frames: tuple[PlannedFrame, ...]
    moved: Mapping[str, str]

    @property
    def content_size(self) -> int:
        """Bytes of all new content."""
        return sum(frame.content_size for frame in self.frames)


def plan_delta(old: ArchiveIndex, new: ArchiveIndex, frame_content: int = FRAME_CONTENT) -> DeltaPlan:
    """Decide what a delta holds; nothing is read or written."""
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
    return DeltaPlan(old, new, tuple(_frames(changed, likes, frame_content)), moved)


def _frames(
    changed: Sequence[IndexEntry], likes: Mapping[str, IndexEntry], frame_content: int
) -> Iterator[PlannedFrame]:
    waiting: list[IndexEntry] = []
    size = 0
    for entry in changed:
        if waiting and size + entry.size > frame_content:
            yield _shared(waiting, likes, frame_content)
            waiting, size = [], 0
        if entry.size > frame_content:
            yield from _cut(entry, likes.get(entry.path), frame_content)
        else:
            waiting.append(entry)
            size += entry.size
    if waiting:
        yield _shared(waiting, likes, frame_content)


def _shared(entries: Sequence[IndexEntry], likes: Mapping[str, IndexEntry], frame_content: int) -> PlannedFrame:
    """Put files into one frame, against all the old files that they are like."""
    content = tuple(Slice(entry, 0, entry.size) for entry in entries)
    sources = {likes[entry.path].path: likes[entry.path] for entry in entries if entry.path in likes}
    prefix, room = [], int(frame_content * (1 + 2 * _LARGEST_SLACK))
    for source in sources.values():
        if source.size <= room:
            prefix.append(Slice(source, 0, source.size))
            room -= source.size
    return PlannedFrame(content, _usable(tuple(prefix)))


def _cut(entry: IndexEntry, like: IndexEntry | None, frame_content: int) -> Iterator[PlannedFrame]:
    """Divide a large file between frames, each against what the old file has at about the same place.

    How far that may have moved is judged by how much larger or smaller the file has become.
    """
    slack = int(frame_content * _SMALLEST_SLACK)
    if like is not None:
        slack = min(max(2 * abs(entry.size - like.size), slack), int(frame_content * _LARGEST_SLACK))
    for start in range(0, entry.size, frame_content):
        size = min(frame_content, entry.size - start)
        content = (Slice(entry, start, size),)
        if like is None:
            yield PlannedFrame(content, ())
            continue
        middle = (2 * start + size) * like.size // (2 * entry.size)
        first = max(0, middle - size // 2 - slack)
        last = min(like.size, middle + size // 2 + slack)
        yield PlannedFrame(content, _usable((Slice(like, first, last - first),)))


def _usable(prefix: tuple[Slice[IndexEntry], ...]) -> tuple[Slice[IndexEntry], ...]:
    return prefix if sum(part.size for part in prefix) >= SMALLEST_PREFIX else ()
