"""Deciding how an archive is divided into frames: by its content alone, so that what is unchanged stays."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from venvstacks.archives.formats import ArchiveFormat, Profile
from venvstacks.archives.layout import (
    FrameContent,
    Part,
    divide,
    entry_parts,
    part_size,
    stream_of,
    tar_start,
    zip_parts,
)
from venvstacks.archives.members import GroupOf, Member, members_of
from venvstacks.trees import Entry

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
    """Plan an archive; nothing is read or written.

    Args:
        entries: What the folder holds, in any order.
        top: Name of the archive's only top-level folder.
        mtime: The time of every entry, seconds since 1970.
        profile: How to compress.
        group_of: Names the group of an entry that is not a folder.
        windows: Whether the archive is to be unpacked on Windows.

    Raises:
        PublishError: An entry cannot be put into an archive.
    """
    members = members_of(entries, top, group_of, windows=windows)
    parts: Iterable[Part]
    if profile.format is ArchiveFormat.ZIP:
        parts = list(zip_parts(members))
        sizes = [size for part in parts for size in _pieces(part_size(part), profile.cut)]
    else:
        each = [tuple(entry_parts(number, member, top)) for number, member in enumerate(members)]
        parts = list(stream_of(each, top, mtime))
        first = [len(part) for part in tar_start(top, mtime)]
        sizes = [first[0], *_tar_sizes(members, each, first[1], profile), part_size(parts[-1])]
    return ArchivePlan(top, mtime, profile, members, divide(parts, sizes))


def _tar_sizes(
    members: Sequence[Member], each: Sequence[Sequence[Part]], waiting: int, profile: Profile
) -> Iterator[int]:
    """Give the sizes of the frames of a tar stream, less the first and the last.

    The first holds the time, on which no other depends. A frame of small entries ends with its group, or
    before a path that is good to begin with by its own name: what changes in front of that place does not
    move it.

    Args:
        members: What the frames hold.
        each: What the stream holds of each of them.
        waiting: Bytes that stand before the first of them.
        profile: Tells the limits.
    """
    group = (0, "")
    for member, parts in zip(members, each, strict=True):
        size = sum(map(part_size, parts))
        large = member.size > profile.own
        full = waiting >= profile.shared // 2 and (
            waiting + size > 2 * profile.shared or _begins_well(member.path)
        )
        if waiting and (large or full or member.group != group):
            yield waiting
            waiting = 0
        group = member.group
        if large:
            pieces = [*_pieces(member.size, profile.cut)]
            pieces[0] += part_size(parts[0])
            pieces[-1] += sum(map(part_size, parts[2:]))
            yield from pieces
        else:
            waiting += size
    if waiting:
        yield waiting


def _begins_well(path: str) -> bool:
    return zlib.crc32(path.encode()) % _CUT_BEFORE == 0


def _pieces(size: int, cut: int) -> Iterator[int]:
    for start in range(0, size, cut):
        yield min(cut, size - start)
