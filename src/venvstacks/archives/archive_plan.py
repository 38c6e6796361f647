"""Deciding how an archive is divided into frames: by its content alone, so that what is unchanged stays."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from venvstacks.archives.entry_rules import entry_problem
from venvstacks.archives.formats import ArchiveFormat, Profile
from venvstacks.archives.frame_layout import FramePart, FrameParts, Slice, entry_header, tar_start, zip_parts
from venvstacks.archives.tar import padding, stream_end
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import PublishError

GroupOf = Callable[[str], str | None]
"""Names what a path belongs to, of which an update changes all or nothing; None if nothing is known."""

Group = tuple[int, str]
"""Entries of one group are neighbours, and share no frame with others."""

_FOLDERS = (0, "")
_CUT_BEFORE = 32  # one path in so many is a good place to begin a frame


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What an archive will hold, and how.

    Attributes:
        top: Name of its only top-level folder.
        mtime: The time of every entry, seconds since 1970.
        entries: In the order of the archive.
        frames: What each frame holds, in order.
    """

    top: str
    mtime: int
    profile: Profile
    entries: tuple[Entry, ...]
    frames: tuple[FrameParts[Entry], ...]


def plan_archive(
    entries: Sequence[Entry], top: str, *, mtime: int, profile: Profile, group_of: GroupOf, windows: bool
) -> ArchivePlan:
    """Plan an archive; nothing is read or written."""
    # Comparing text compares code points, which have the same order as their UTF-8 bytes.
    grouped = sorted(((_group(e, group_of), e) for e in entries), key=lambda pair: (pair[0], pair[1].path))
    ordered = tuple(entry for _, entry in grouped)
    if problem := entry_problem(ordered, top, windows=windows):
        raise PublishError(f"{problem[:1].upper()}{problem[1:]}.")
    if profile.format is ArchiveFormat.ZIP:
        frames = tuple((piece,) for part in zip_parts(ordered) for piece in _pieces(part, profile.cut))
        return ArchivePlan(top, mtime, profile, ordered, frames)
    return ArchivePlan(top, mtime, profile, ordered, tuple(_tar_frames(grouped, top, mtime, profile)))


def _group(entry: Entry, group_of: GroupOf) -> Group:
    if entry.type is EntryKind.FOLDER:
        return _FOLDERS
    name = group_of(entry.path)
    return (1, name) if name else (2, entry.path.partition("/")[0])


def _tar_frames(
    grouped: Sequence[tuple[Group, Entry]], top: str, mtime: int, profile: Profile
) -> Iterator[FrameParts[Entry]]:
    """Divide a tar stream into frames.

    The first holds the time, on which no other depends, and the last what ends the stream. A frame of small
    entries ends with its group, or before a path that is good to begin with by its own name: what changes in
    front of that place does not move it.
    """
    time, top_header = tar_start(top, mtime)
    yield (time,)
    total = len(time)
    parts: list[FramePart[Entry]] = []
    literal, size, last_group = top_header, len(top_header), _FOLDERS
    for group, entry in grouped:
        header = entry_header(entry, top)
        end = padding(entry.size)
        large = entry.size > profile.own
        length = len(header) + entry.size + len(end)
        full = 2 * size >= profile.shared and (size + length > 2 * profile.shared or _begins_well(entry.path))
        if size and (large or full or group != last_group):
            yield (*parts, literal)
            total += size
            parts, literal, size = [], b"", 0
        last_group = group
        if large:
            yield from _large_frames(header, Slice(entry, 0, entry.size), end, profile.cut)
            total += length
        else:
            size += length
            literal += header
            if entry.size:
                parts += (literal, Slice(entry, 0, entry.size))
                literal = end
    if size:
        yield (*parts, literal)
    yield (stream_end(total + size),)


def _large_frames(header: bytes, content: Slice[Entry], end: bytes, cut: int) -> Iterator[FrameParts[Entry]]:
    *pieces, last = _pieces(content, cut)
    for piece in pieces:
        yield (header, piece)
        header = b""
    yield (header, last, end)


def _begins_well(path: str) -> bool:
    return zlib.crc32(path.encode()) % _CUT_BEFORE == 0


def _pieces(part: Slice[Entry], cut: int) -> Iterator[Slice[Entry]]:
    for start in range(0, part.size, cut):
        yield Slice(part.entry, start, min(cut, part.size - start))
