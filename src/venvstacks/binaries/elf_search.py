"""Change where a copy of an ELF file looks for libraries, on any host and always with the same bytes.

What has to grow (the string table, the dynamic section and the table of segments) is written again behind
everything else and loaded through a segment of its own. Nothing else moves, so no code, symbol or relocation
changes. Sources: *System V ABI* (gABI), chapters *Program Header* and *Dynamic Section*. Sizes and offsets are
bytes.
"""

import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from venvstacks.binaries.byte_reader import MalformedError, Reader
from venvstacks.binaries.elf import (
    DYNAMIC,
    EXECUTABLE,
    INTERPRETER,
    LOAD,
    MAGIC,
    RPATH,
    RUNPATH,
    STRINGS,
    Elf,
    Segment,
)
from venvstacks.errors import BinaryFormatError

_HEADER = struct.Struct("<HHIQQQIHHHHHH")  # behind the 16 bytes of its identity
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_TAG = struct.Struct("<qQ")
_WIDE_AND_LITTLE = b"\x02\x01"  # ELFCLASS64, ELFDATA2LSB: all targets

_TABLE = 6  # PT_PHDR
_STRINGS_SIZE = 10
_STRING_SECTION, _DYNAMIC_SECTION = 3, 6
_READ_AND_WRITE = 6  # the loader writes addresses into the dynamic section
_BUDGET = 1 << 30
_MOST_ADDED = 1 << 28
_LAST_ADDRESS = 1 << 47
_SMALLEST_PAGE, _LARGEST_PAGE = 1 << 12, 1 << 30


def copy_with_search(source: Path, destination: Path, search: Sequence[str], *, replace: bool = False) -> None:
    """Copy an ELF file and let the copy look for libraries in more folders, or in others if ``replace`` is set.

    The folders are added behind those of its RUNPATH; where it has an RPATH and no RUNPATH, behind those of that.
    An RPATH stays one: libraries that the file loads look there, too.
    """
    with source.open("rb", buffering=0) as file:
        try:
            patches = _plan(Reader(file, file.seek(0, 2), budget=_BUDGET), search, replace=replace)
        except MalformedError as error:
            raise BinaryFormatError(str(source), "ELF", str(error)) from error
    shutil.copyfile(source, destination)
    shutil.copymode(source, destination)
    with destination.open("r+b") as copy:
        for offset, content in patches:
            copy.seek(offset)
            copy.write(content)


def _plan(reader: Reader, search: Sequence[str], *, replace: bool) -> list[tuple[int, bytes]]:
    """Return what is written where."""
    elf = _read(reader)
    tags = dict(elf.tags)
    strings = reader.at(elf.offset(tags[STRINGS]), tags[_STRINGS_SIZE])
    present = b"" if replace else _present_search(tags, strings)
    wanted = ":".join(search).encode(errors="surrogateescape")
    strings = strings if strings.endswith(b"\0") else strings + b"\0"
    changed_tags = _with_search(elf.tags, len(strings))
    strings += (present + b":" if present else b"") + wanted + b"\0"
    table_size = _SEGMENT.size * (len(elf.segments) + 1)
    table_size += -table_size % 16
    dynamic_size = _TAG.size * (len(changed_tags) + 1)
    offset, address, alignment = _place(elf)
    dynamic = (offset + table_size, address + table_size, dynamic_size)
    text = (dynamic[0] + dynamic_size, dynamic[1] + dynamic_size, len(strings))
    size = table_size + dynamic_size + len(strings)
    own = Segment(LOAD, _READ_AND_WRITE, offset, address, address, size, size, alignment)
    table = b"".join(_SEGMENT.pack(*segment) for segment in _segments(elf.segments, own, dynamic))
    moved = {STRINGS: text[1], _STRINGS_SIZE: text[2]}
    content = table.ljust(table_size, b"\0")
    content += b"".join(_TAG.pack(tag, moved.get(tag, value)) for tag, value in changed_tags) + bytes(_TAG.size)
    header = [*elf.header]
    header[4], header[9] = offset, len(elf.segments) + 1
    sections = _sections(elf, tags[STRINGS], dynamic, text)
    return [(16, _HEADER.pack(*header)), *sections, (offset, content + strings)]


def _read(reader: Reader) -> Elf:
    if not reader.at(0, 16 + _HEADER.size).startswith(MAGIC + _WIDE_AND_LITTLE):
        raise MalformedError("it is no 64-bit, little-endian file")
    elf = Elf(reader)
    size, count = elf.header[8:10]
    if size != _SEGMENT.size or not count:
        raise MalformedError(f"it has {count} segments of {size} bytes")
    if not elf.tags:
        raise MalformedError("its dynamic section has no entries")
    if not {STRINGS, _STRINGS_SIZE} <= dict(elf.tags).keys():
        raise MalformedError("it has no usable string table")
    return elf


def _present_search(tags: dict[int, int], strings: bytes) -> bytes:
    place = tags.get(RUNPATH, tags.get(RPATH))
    return b"" if place is None else strings[place:].partition(b"\0")[0]


def _with_search(tags: Sequence[tuple[int, int]], place: int) -> list[tuple[int, int]]:
    """Let the dynamic section name the text at a place of the string table as RUNPATH."""
    present = {tag for tag, _ in tags}
    wanted = RPATH if RPATH in present and RUNPATH not in present else RUNPATH
    changed = [(tag, place if tag == wanted else value) for tag, value in tags]
    return changed if wanted in present else [*changed, (RUNPATH, place)]


def _place(elf: Elf) -> tuple[int, int, int]:
    """Find room for a new segment: its place in the file and in memory, and its alignment.

    Linux before 5.18 computes where a program's table of segments is from where its first segment is. So that of a
    program keeps its distance to the first segment, though the file grows by what is not in it (such as ``.bss``).
    """
    loaded = [segment for segment in elf.segments if segment.kind == LOAD]
    if not loaded:
        raise MalformedError("nothing of it is loaded")
    alignment = max(_SMALLEST_PAGE, *(segment.alignment for segment in loaded))
    end = max(segment.address + segment.memory for segment in loaded)
    if end > _LAST_ADDRESS or alignment > _LARGEST_PAGE or alignment & (alignment - 1):
        raise MalformedError("its segments are where no process has memory")
    file_size = elf.reader.size
    if elf.header[0] == EXECUTABLE or any(segment.kind == INTERPRETER for segment in elf.segments):
        first = min(loaded, key=lambda segment: segment.address)
        distance = first.address - first.offset
        address = _rounded(max(end, file_size + distance), alignment)
        if address - distance - file_size > _MOST_ADDED:
            raise MalformedError("its segments are too far from each other")
        return address - distance, address, alignment
    offset = _rounded(file_size, 16)
    return offset, _rounded(end, alignment) + offset % alignment, alignment


def _rounded(number: int, step: int) -> int:
    return number + -number % step


def _segments(segments: Sequence[Segment], added: Segment, dynamic: tuple[int, int, int]) -> Iterator[Segment]:
    last = max(index for index, segment in enumerate(segments) if segment.kind == LOAD)
    table = (added.offset, added.address, _SEGMENT.size * (len(segments) + 1))
    for index, segment in enumerate(segments):
        if segment.kind in {DYNAMIC, _TABLE}:
            offset, address, size = dynamic if segment.kind == DYNAMIC else table
            yield segment._replace(offset=offset, address=address, physical=address, size=size, memory=size)
        else:
            yield segment
        if index == last:
            yield added


def _sections(
    elf: Elf, strings_address: int, dynamic: tuple[int, int, int], strings: tuple[int, int, int]
) -> Iterator[tuple[int, bytes]]:
    """Keep the section headers true, which tools look at and loaders do not; a stripped file may have none."""
    start, size, count = elf.header[5], elf.header[10], elf.header[11]
    if not start or size != _SECTION.size or start + size * count > elf.reader.size:
        return
    for index, fields in enumerate(_SECTION.iter_unpack(elf.reader.at(start, size * count))):
        if fields[1] == _DYNAMIC_SECTION:
            place = dynamic
        elif fields[1] == _STRING_SECTION and fields[3] == strings_address:
            place = strings
        else:
            continue
        offset, address, length = place
        yield start + size * index, _SECTION.pack(*fields[:3], address, offset, length, *fields[6:])
