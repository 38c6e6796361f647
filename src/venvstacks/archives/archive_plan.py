"""Deciding how an archive is divided into frames: by its content alone, so that what is unchanged stays."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from venvstacks.archives.archive_entries import GroupOf, Member, members_of
from venvstacks.archives.formats import ArchiveFormat, Profile
from venvstacks.archives.frame_layout import FrameContent, Part, Slice, entry_header, tar_start, zip_parts
from venvstacks.archives.tar import padding, stream_end
from venvstacks.entries import Entry

_CUT_BEFORE = 32  # one path in so many is a good place to begin a frame


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What an archive will hold, and how.

    Attributes:
        top: Name of its only top-level folder.
        mtime: The time of every entry, seconds since 1970.
        profile: How it is compressed.
        members: In the order of the archive.
        frames: What each frame holds; parts refer to members by their number.
    """

    top: str
    mtime: int
    profile: Profile
    members: tuple[Member, ...]
    frames: tuple[FrameContent, ...]


def plan_archive(
    entries: Sequence[Entry], top: str, *, mtime: int, profile: Profile, group_of: GroupOf, windows: bool
) -> ArchivePlan:
    """Plan an archive; nothing is read or written."""
    members = members_of(entries, top, group_of, windows=windows)
    frames = (
        _zip_frames(members, profile)
        if profile.format is ArchiveFormat.ZIP
        else _tar_frames(members, top, mtime, profile)
    )
    return ArchivePlan(top, mtime, profile, members, tuple(frames))


def _zip_frames(members: Sequence[Member], profile: Profile) -> Iterator[FrameContent]:
    for part in zip_parts(members):
        for piece in _pieces(part, profile.cut):
            yield FrameContent(piece.size, (piece,))


def _tar_frames(members: Sequence[Member], top: str, mtime: int, profile: Profile) -> Iterator[FrameContent]:
    """Divide a tar stream into frames.

    The first holds the time, on which no other depends, and the last what ends the stream. A frame of small
    entries ends with its group, or before a path that is good to begin with by its own name: what changes in
    front of that place does not move it.
    """
    time, top_header = tar_start(top, mtime)
    yield FrameContent(len(time), (time,))
    total = len(time)
    parts: list[Part] = []
    literal, size, group = top_header, len(top_header), (0, "")
    for number, member in enumerate(members):
        header = entry_header(member, top)
        end = padding(member.size)
        large = member.size > profile.own
        length = len(header) + member.size + len(end)
        full = 2 * size >= profile.shared and (size + length > 2 * profile.shared or _begins_well(member.path))
        if size and (large or full or member.group != group):
            yield FrameContent(size, (*parts, literal))
            total += size
            parts, literal, size = [], b"", 0
        group = member.group
        if large:
            yield from _large_frames(header, Slice(number, 0, member.size), end, profile.cut)
            total += length
        else:
            size += length
            literal += header
            if member.size:
                parts += (literal, Slice(number, 0, member.size))
                literal = end
    if size:
        yield FrameContent(size, (*parts, literal))
    last = stream_end(total + size)
    yield FrameContent(len(last), (last,))


def _large_frames(header: bytes, content: Slice, end: bytes, cut: int) -> Iterator[FrameContent]:
    *pieces, last = _pieces(content, cut)
    for piece in pieces:
        yield FrameContent(len(header) + piece.size, (header, piece))
        header = b""
    yield FrameContent(len(header) + last.size + len(end), (header, last, end))


def _begins_well(path: str) -> bool:
    return zlib.crc32(path.encode()) % _CUT_BEFORE == 0


def _pieces(part: Slice, cut: int) -> Iterator[Slice]:
    for start in range(0, part.size, cut):
        yield Slice(part.entry, start, min(cut, part.size - start))
