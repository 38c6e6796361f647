"""What each frame of an archive holds: headers, and parts of the contents of files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from venvstacks.archives.tar import padding, stream_end, stream_start, tar_header
from venvstacks.entries import EntryKind


class Described(Protocol):
    """What has to be known of an entry."""

    @property
    def path(self) -> str:
        """POSIX path relative to the layer's folder."""

    @property
    def type(self) -> EntryKind:
        """What it is."""

    @property
    def mode(self) -> int:
        """Permission bits."""

    @property
    def size(self) -> int:
        """Bytes of a file's content."""

    @property
    def target(self) -> str:
        """Where a symbolic link points."""


class Slice(msgspec.Struct, frozen=True, gc=False):  # made by the ten thousands, which takes a dataclass longer
    """A part of a file's content.

    Attributes:
        entry: Number of the file among the entries.
        start: Where the part begins in the content, in bytes.
        size: Of the part, in bytes.
    """

    entry: int
    start: int
    size: int


Part = bytes | Slice


@dataclass(frozen=True, slots=True)
class FrameContent:
    """What a frame holds, in order.

    Attributes:
        size: Of all of it, in bytes.
        parts: Bytes as they are, and parts of files.
    """

    size: int
    parts: tuple[Part, ...]


def part_size(part: Part) -> int:
    """Return the bytes that a part has."""
    return len(part) if isinstance(part, bytes) else part.size


def entry_header(entry: Described, top: str) -> bytes:
    """Return what a tar stream holds of an entry beside its content."""
    return tar_header(f"{top}/{entry.path}", entry.type, entry.mode, size=entry.size, target=entry.target)


def tar_start(top: str, mtime: int) -> tuple[bytes, bytes]:
    """Return what a tar stream begins with: the time of all entries, and the top folder."""
    return stream_start(mtime), tar_header(top, EntryKind.FOLDER, 0o755)


def tar_parts(entries: Iterable[Described], top: str, mtime: int) -> Iterator[Part]:
    """Return a whole tar stream."""
    literal = [*tar_start(top, mtime)]
    total = 0

    def joined(*more: bytes) -> bytes:  # not one by one: that would take time with the square of their number
        return b"".join((*literal, *more))

    for number, entry in enumerate(entries):
        literal.append(entry_header(entry, top))
        if entry.size:
            before = joined()
            total += len(before) + entry.size
            yield before
            yield Slice(number, 0, entry.size)
            literal = [padding(entry.size)]
    yield joined(stream_end(total + sum(map(len, literal))))


def zip_parts(entries: Iterable[Described]) -> Iterator[Slice]:
    """Return the contents of all files, which is what the frames of a zip archive hold."""
    for number, entry in enumerate(entries):
        if entry.type is EntryKind.FILE and entry.size:
            yield Slice(number, 0, entry.size)


def divide(parts: Iterable[Part], sizes: Sequence[int]) -> tuple[FrameContent, ...]:
    """Divide parts between frames."""
    frames = []
    rest = iter(parts)
    waiting: Part = b""
    start = have = 0  # what is left of it
    for size in sizes:
        room, held = size, list[Part]()
        while room:
            while not have:
                if (following := next(rest, None)) is None:
                    raise ValueError("frames hold more than there is")
                waiting, start, have = following, 0, part_size(following)
            taken = min(have, room)
            held.append(_cut(waiting, start, taken))
            start, have, room = start + taken, have - taken, room - taken
        frames.append(FrameContent(size, tuple(held)))
    if have or any(map(part_size, rest)):
        raise ValueError("frames hold less than there is")
    return tuple(frames)


def _cut(part: Part, start: int, size: int) -> Part:
    if isinstance(part, bytes):
        return part[start : start + size]
    return Slice(part.entry, part.start + start, size)
