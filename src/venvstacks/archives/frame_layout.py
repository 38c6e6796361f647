"""What each frame of an archive holds: headers, and parts of the contents of files."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from venvstacks.archives.index import IndexEntry
from venvstacks.archives.tar import padding, stream_end, stream_start, tar_header
from venvstacks.entries import FOLDER_MODE, Entry, EntryKind

AnyEntry = TypeVar("AnyEntry", bound=Entry | IndexEntry)


class Slice(msgspec.Struct, Generic[AnyEntry], frozen=True, gc=False):  # a dataclass takes longer to make
    """A part of a file's content: so many bytes of it from ``start`` on."""

    entry: AnyEntry
    start: int
    size: int


FramePart = bytes | Slice[AnyEntry]
"""Bytes as they are, or a part of a file."""

FrameParts = tuple[FramePart[AnyEntry], ...]
"""What a frame holds, in order."""


def part_size(part: FramePart[AnyEntry]) -> int:
    """Return the bytes that a part has."""
    return len(part) if isinstance(part, bytes) else part.size


def content_size(parts: FrameParts[AnyEntry]) -> int:
    """Return the bytes that a frame holds."""
    size = 0
    for part in parts:  # of which there are many: a call for each would show
        size += len(part) if isinstance(part, bytes) else part.size
    return size


def slices_of(parts: Iterable[FramePart[AnyEntry]]) -> list[Slice[AnyEntry]]:
    """Return the parts of files among the parts of a frame."""
    return [part for part in parts if isinstance(part, Slice)]


def locate_files(frames: Iterable[Iterable[FramePart[AnyEntry]]]) -> dict[str, tuple[int, int]]:
    """Find where contents begin: path of a file -> number of a frame, from 0, and offset in what it holds."""
    places = {}
    for number, parts in enumerate(frames):
        offset = 0
        for part in parts:
            if isinstance(part, bytes):
                offset += len(part)
            else:
                if not part.start:
                    places[part.entry.path] = number, offset
                offset += part.size
    return places


def entry_header(entry: Entry | IndexEntry, top: str) -> bytes:
    """Return what a tar stream holds of an entry beside its content."""
    return tar_header(f"{top}/{entry.path}", entry.type, entry.mode, size=entry.size, target=entry.target)


def tar_start(top: str, mtime: int) -> tuple[bytes, bytes]:
    """Return what a tar stream begins with: the time of all entries, and the top folder."""
    return stream_start(mtime), tar_header(top, EntryKind.FOLDER, FOLDER_MODE)


def tar_parts(entries: Iterable[AnyEntry], top: str, mtime: int) -> Iterator[FramePart[AnyEntry]]:
    """Return a whole tar stream."""
    literal = [*tar_start(top, mtime)]
    total = 0

    def joined(*more: bytes) -> bytes:  # not one by one: that would take time with the square of their number
        return b"".join((*literal, *more))

    for entry in entries:
        literal.append(entry_header(entry, top))
        if entry.size:
            before = joined()
            total += len(before) + entry.size
            yield before
            yield Slice(entry, 0, entry.size)
            literal = [padding(entry.size)]
    yield joined(stream_end(total + sum(map(len, literal))))


def zip_parts(entries: Iterable[AnyEntry]) -> Iterator[Slice[AnyEntry]]:
    """Return the contents of all files, which is what the frames of a zip archive hold."""
    for entry in entries:
        if entry.type is EntryKind.FILE and entry.size:
            yield Slice(entry, 0, entry.size)


def cut_into_frames(
    parts: Iterable[FramePart[AnyEntry]], sizes: Sequence[int]
) -> tuple[FrameParts[AnyEntry], ...]:
    """Divide parts between frames that hold so many bytes each."""
    frames = []
    rest = iter(parts)
    waiting: FramePart[AnyEntry] = b""
    start = have = 0  # what is left of it
    for size in sizes:
        room, held = size, list[FramePart[AnyEntry]]()
        while room:
            while not have:
                if (following := next(rest, None)) is None:
                    raise ValueError("frames contain more than there is")
                waiting, start, have = following, 0, part_size(following)
            taken = min(have, room)
            held.append(_cut(waiting, start, taken))
            start, have, room = start + taken, have - taken, room - taken
        frames.append(tuple(held))
    if have or any(map(part_size, rest)):
        raise ValueError("frames contain less than there is")
    return tuple(frames)


def _cut(part: FramePart[AnyEntry], start: int, size: int) -> FramePart[AnyEntry]:
    if isinstance(part, bytes):
        return part[start : start + size]
    return Slice(part.entry, part.start + start, size)
