"""Change where a copy of an ELF file looks for libraries, on any host and always with the same bytes.

What has to grow (the string table, the dynamic section and the table of segments) is written again behind
everything else and loaded through a segment of its own. Nothing else moves, so no code, symbol or relocation
changes. Sources: *System V ABI* (gABI), chapters *Program Header* and *Dynamic Section*.
Sizes and offsets are bytes.
"""

import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as copy_of
from pathlib import Path
from typing import BinaryIO

from venvstacks.binaries.elf import MAGIC
from venvstacks.errors import BinaryFormatError

_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_TAG = struct.Struct("<qQ")
_WIDE_AND_LITTLE = b"\x02\x01"  # ELFCLASS64, ELFDATA2LSB: all targets

_EXECUTABLE = 2
_LOAD, _DYNAMIC, _INTERPRETER, _TABLE = 1, 2, 3, 6
_NULL, _STRINGS, _STRINGS_SIZE, _RPATH, _RUNPATH = 0, 5, 10, 15, 29
_STRING_SECTION, _DYNAMIC_SECTION = 3, 6
_READ_AND_WRITE = 6  # the loader writes addresses into the dynamic section
_MOST = 1 << 16  # of segments, sections and dynamic entries
_MOST_STRINGS = 1 << 30
_MOST_ADDED = 1 << 28
_LAST_ADDRESS = 1 << 47
_SMALLEST_PAGE, _LARGEST_PAGE = 1 << 12, 1 << 30


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    size: int
    memory: int
    alignment: int

    def packed(self) -> bytes:
        fields = (self.kind, self.flags, self.offset, self.address, self.physical, self.size, self.memory)
        return _SEGMENT.pack(*fields, self.alignment)

    def at(self, offset: int, address: int, size: int) -> "_Segment":
        return copy_of(self, offset=offset, address=address, physical=address, size=size, memory=size)


@dataclass(frozen=True, slots=True)
class _Elf:
    """What of a file the change is about.

    Attributes:
        size: Of the file.
        header: The fields of its header.
        segments: Its table of segments.
        tags: Its dynamic section, without the end mark.
        strings_address: Where in memory its string table is.
        strings: The table.
    """

    size: int
    header: tuple[int, ...]
    segments: tuple[_Segment, ...]
    tags: tuple[tuple[int, int], ...]
    strings_address: int
    strings: bytes


@dataclass(frozen=True, slots=True)
class _Change:
    """What is written where."""

    patches: tuple[tuple[int, bytes], ...]


def copy_with_search(source: Path, destination: Path, search: Sequence[str], *, replace: bool = False) -> None:
    """Copy an ELF file and let the copy look for libraries in more folders, or in others if ``replace`` is set.

    The folders are added behind those of its RUNPATH; where it has an RPATH and no RUNPATH, behind those of that.
    An RPATH stays one: libraries that the file loads look there, too.
    """
    with source.open("rb") as file:
        try:
            elf = _read(file)
            present = b"" if replace else _present_search(elf)
            added = ":".join(search).encode(errors="surrogateescape")
            change = _plan(file, elf, (present + b":" if present else b"") + added)
        except _DamageError as error:
            raise BinaryFormatError(str(source), "ELF", str(error)) from error
    shutil.copyfile(source, destination)
    shutil.copymode(source, destination)
    with destination.open("r+b") as copy:
        for offset, content in change.patches:
            copy.seek(offset)
            copy.write(content)


class _DamageError(ValueError):
    """What makes a file unusable; completes ``FILE is damaged: ``."""


def _bytes(file: BinaryIO, offset: int, count: int) -> bytes:
    size = file.seek(0, 2)
    if offset + count > size:
        raise _DamageError(f"it ends at {size} bytes, but refers to {offset + count}")
    file.seek(offset)
    return file.read(count)


def _read(file: BinaryIO) -> _Elf:
    size = file.seek(0, 2)
    start = _bytes(file, 0, _HEADER.size)
    if not start.startswith(MAGIC + _WIDE_AND_LITTLE):
        raise _DamageError("it is no 64-bit, little-endian file")
    header = _HEADER.unpack(start)
    table, segment_size, count = header[4], header[8], header[9]
    if segment_size != _SEGMENT.size or not count or count >= _MOST - 1:
        raise _DamageError(f"it has {count} segments of {segment_size} bytes")
    records = _SEGMENT.iter_unpack(_bytes(file, table, segment_size * count))
    segments = tuple(_Segment(*fields) for fields in records)
    tags = tuple(_tags(file, segments))
    values = dict(tags)
    if _STRINGS not in values or values.get(_STRINGS_SIZE, _MOST_STRINGS) >= _MOST_STRINGS:
        raise _DamageError("it has no usable string table")
    address = values[_STRINGS]
    strings = _bytes(file, _offset(address, segments), values[_STRINGS_SIZE])
    return _Elf(size, header, segments, tags, address, strings)


def _tags(file: BinaryIO, segments: Sequence[_Segment]) -> Iterator[tuple[int, int]]:
    dynamic = next((segment for segment in segments if segment.kind == _DYNAMIC), None)
    count = dynamic.size // _TAG.size if dynamic else 0
    if dynamic is None or not count or count > _MOST:
        raise _DamageError(f"its dynamic section has {count} entries")
    for tag, value in _TAG.iter_unpack(_bytes(file, dynamic.offset, count * _TAG.size)):
        if tag == _NULL:
            return
        yield tag, value


def _offset(address: int, segments: Sequence[_Segment]) -> int:
    for segment in segments:
        if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    raise _DamageError(f"no segment holds the address {address:#x}")


def _plan(file: BinaryIO, elf: _Elf, search: bytes) -> _Change:
    strings = elf.strings if elf.strings.endswith(b"\0") else elf.strings + b"\0"
    place = len(strings)
    strings += search + b"\0"
    table_size = _SEGMENT.size * (len(elf.segments) + 1)
    table_size += -table_size % 16
    tags = _with_tag(elf.tags, place)
    dynamic_size = _TAG.size * (len(tags) + 1)
    size = table_size + dynamic_size + len(strings)
    offset, address, alignment = _place(elf)
    dynamic = (offset + table_size, address + table_size, dynamic_size)
    moved = {_STRINGS: dynamic[1] + dynamic_size, _STRINGS_SIZE: len(strings)}
    own = _Segment(_LOAD, _READ_AND_WRITE, offset, address, address, size, size, alignment)
    table = b"".join(segment.packed() for segment in _segments(elf, own, dynamic))
    content = table.ljust(table_size, b"\0")
    content += b"".join(_TAG.pack(tag, moved.get(tag, value)) for tag, value in tags) + bytes(_TAG.size)
    header = list(elf.header)
    header[4], header[9] = offset, len(elf.segments) + 1
    identity = _bytes(file, 0, 16)
    sections = _sections(file, elf, dynamic, (offset + table_size + dynamic_size, moved[_STRINGS], len(strings)))
    return _Change(((0, identity + _HEADER.pack(*header)[16:]), *sections, (offset, content + strings)))


def _present_search(elf: _Elf) -> bytes:
    values = dict(elf.tags)
    place = values.get(_RUNPATH, values.get(_RPATH))
    return b"" if place is None else elf.strings[place:].partition(b"\0")[0]


def _with_tag(tags: Sequence[tuple[int, int]], place: int) -> list[tuple[int, int]]:
    """Let the dynamic section name the text at a place of the string table as RUNPATH."""
    present = {tag for tag, _ in tags}
    wanted = _RPATH if _RPATH in present and _RUNPATH not in present else _RUNPATH
    changed = [(tag, place if tag == wanted else value) for tag, value in tags]
    return changed if wanted in present else [*changed, (_RUNPATH, place)]


def _place(elf: _Elf) -> tuple[int, int, int]:
    """Find room for a new segment: its place in the file and in memory, and its alignment.

    Linux before 5.18 computes where a program's table of segments is from where its first segment is. So that of a
    program keeps its distance to the first segment, though the file grows by what is not in it (such as ``.bss``).
    """
    loaded = [segment for segment in elf.segments if segment.kind == _LOAD]
    if not loaded:
        raise _DamageError("nothing of it is loaded")
    alignment = max(_SMALLEST_PAGE, *(segment.alignment for segment in loaded))
    end = max(segment.address + segment.memory for segment in loaded)
    if end > _LAST_ADDRESS or alignment > _LARGEST_PAGE or alignment & (alignment - 1):
        raise _DamageError("its segments are where no process has memory")
    is_program = elf.header[0] == _EXECUTABLE or any(s.kind == _INTERPRETER for s in elf.segments)
    if is_program:
        first = min(loaded, key=lambda segment: segment.address)
        distance = first.address - first.offset
        address = _rounded(max(end, elf.size + distance), alignment)
        if address - distance - elf.size > _MOST_ADDED:
            raise _DamageError("its segments are too far from each other")
        return address - distance, address, alignment
    offset = _rounded(elf.size, 16)
    return offset, _rounded(end, alignment) + offset % alignment, alignment


def _rounded(number: int, step: int) -> int:
    return number + -number % step


def _segments(elf: _Elf, added: _Segment, dynamic: tuple[int, int, int]) -> Iterator[_Segment]:
    last = max(index for index, segment in enumerate(elf.segments) if segment.kind == _LOAD)
    for index, segment in enumerate(elf.segments):
        if segment.kind == _DYNAMIC:
            yield segment.at(*dynamic)
        elif segment.kind == _TABLE:
            yield segment.at(added.offset, added.address, _SEGMENT.size * (len(elf.segments) + 1))
        else:
            yield segment
        if index == last:
            yield added


def _sections(
    file: BinaryIO, elf: _Elf, dynamic: tuple[int, int, int], strings: tuple[int, int, int]
) -> Iterator[tuple[int, bytes]]:
    """Keep the section headers true, which tools look at and loaders do not; a stripped file may have none."""
    start, size, count = elf.header[5], elf.header[10], elf.header[11]
    if not start or size != _SECTION.size or start + size * count > elf.size:
        return
    table = _bytes(file, start, size * count)
    for index, fields in enumerate(_SECTION.iter_unpack(table)):
        if fields[1] == _DYNAMIC_SECTION:
            place = dynamic
        elif fields[1] == _STRING_SECTION and fields[3] == elf.strings_address:
            place = strings
        else:
            continue
        offset, address, length = place
        yield start + size * index, _SECTION.pack(*fields[:3], address, offset, length, *fields[6:])
