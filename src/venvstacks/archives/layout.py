"""What each frame of an archive holds: headers, and parts of the contents of files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from venvstacks.archives.tar import padding, stream_end, stream_start, tar_header
from venvstacks.trees import EntryKind


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


@dataclass(frozen=True, slots=True)
class Slice:
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
    """Give the bytes that a part has."""
    return len(part) if isinstance(part, bytes) else part.size


def entry_parts(number: int, entry: Described, top: str) -> Iterator[Part]:
    """Give what a tar stream holds of an entry.

    Args:
        number: Of the entry.
        entry: The entry.
        top: The archive's only top-level folder.
    """
    size = entry.size if entry.type is EntryKind.FILE else 0
    yield tar_header(f"{top}/{entry.path}", entry.type, entry.mode, size=size, target=entry.target)
    if size:
        yield Slice(number, 0, size)
        if end := padding(size):
            yield end


def tar_start(top: str, mtime: int) -> tuple[bytes, bytes]:
    """Give what a tar stream begins with: the time of all entries, and the top folder.

    Args:
        top: The archive's only top-level folder.
        mtime: Seconds since 1970.
    """
    return stream_start(mtime), tar_header(top, EntryKind.FOLDER, 0o755)


def tar_parts(entries: Iterable[Described], top: str, mtime: int) -> Iterator[Part]:
    """Give a whole tar stream.

    Args:
        entries: In the order of the archive.
        top: The archive's only top-level folder.
        mtime: The time of every entry, seconds since 1970.
    """
    return stream_of((entry_parts(number, entry, top) for number, entry in enumerate(entries)), top, mtime)


def stream_of(each: Iterable[Iterable[Part]], top: str, mtime: int) -> Iterator[Part]:
    """Give a whole tar stream, from what it holds of each entry."""
    size = 0
    for part in chain(tar_start(top, mtime), chain.from_iterable(each)):
        size += part_size(part)
        yield part
    yield stream_end(size)


def zip_parts(entries: Iterable[Described]) -> Iterator[Part]:
    """Give the contents of all files, which is what the frames of a zip archive hold."""
    for number, entry in enumerate(entries):
        if entry.type is EntryKind.FILE and entry.size:
            yield Slice(number, 0, entry.size)


def divide(parts: Iterable[Part], sizes: Sequence[int]) -> tuple[FrameContent, ...]:
    """Divide parts between frames.

    Args:
        parts: All of them, in order.
        sizes: Of the frames' contents, in bytes.

    Raises:
        ValueError: The sizes do not add up to that of the parts.
    """
    frames = []
    rest = iter(parts)
    waiting: Part = b""
    for size in sizes:
        room, held = size, list[Part]()
        while room:
            if not (have := part_size(waiting)):
                waiting = next(rest, b"")
                if not part_size(waiting):
                    raise ValueError("frames hold more than there is")
                continue
            taken, waiting = (waiting, b"") if have <= room else _split(waiting, room)
            held.append(taken)
            room -= part_size(taken)
        frames.append(FrameContent(size, tuple(held)))
    if part_size(waiting) or next(rest, None) is not None:
        raise ValueError("frames hold less than there is")
    return tuple(frames)


def _split(part: Part, size: int) -> tuple[Part, Part]:
    if isinstance(part, bytes):
        return part[:size], part[size:]
    return Slice(part.entry, part.start, size), Slice(part.entry, part.start + size, part.size - size)
