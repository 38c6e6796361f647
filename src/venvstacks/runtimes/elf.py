"""Read from an ELF file which libraries it needs, and where it looks for them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# 64 bits, little-endian: what every Linux target is.
_MAGIC = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_TAG = struct.Struct("<qQ")
_LOADED, _DYNAMIC = 1, 2
_NEEDED, _STRINGS, _STRINGS_SIZE, _RPATH, _RUNPATH = 1, 5, 10, 15, 29


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What the dynamic loader is told by a file.

    Attributes:
        needed: Names of shared libraries.
        runpath: Folders in which it looks for them, as written.
    """

    needed: tuple[str, ...]
    runpath: tuple[str, ...]


def read_dynamic(path: Path) -> Dynamic | None:
    """Read a file's dynamic section; None if it has none, or is no ELF file of a target's kind."""
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        if not head.startswith(_MAGIC) or len(head) < _HEADER.size:
            return None
        try:
            return _dynamic(file, head)
        except struct.error:
            return None  # cut off; starting the program will tell


def _dynamic(file: BinaryIO, head: bytes) -> Dynamic | None:
    _, _, _, _, _, offset, _, _, _, size, count, *_ = _HEADER.unpack(head)
    file.seek(offset)
    table = file.read(size * count)
    segments = [_SEGMENT.unpack_from(table, size * index) for index in range(count)]
    place = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    if place is None:
        return None
    file.seek(place[2])
    tags = [*_TAG.iter_unpack(file.read(place[5] // _TAG.size * _TAG.size))]
    single = dict(tags)
    address = single.get(_STRINGS, 0)
    loaded = next((s for s in segments if s[0] == _LOADED and s[3] <= address < s[3] + s[5]), None)
    if loaded is None:
        return None
    file.seek(address - loaded[3] + loaded[2])
    strings = file.read(single.get(_STRINGS_SIZE, 0))
    runpath = next(_named(strings, tags, _RUNPATH), None) or next(_named(strings, tags, _RPATH), "")
    return Dynamic(tuple(_named(strings, tags, _NEEDED)), tuple(entry for entry in runpath.split(":") if entry))


def _named(strings: bytes, tags: list[tuple[int, int]], wanted: int) -> Iterator[str]:
    for tag, value in tags:
        if tag == wanted:
            yield strings[value : strings.index(b"\0", value)].decode(errors="surrogateescape")
