"""The zip container, in one pass: a file's checksum and sizes follow it, in a data descriptor."""

import stat
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from venvstacks.entries import Entry, EntryKind

LIMIT_32 = 0xFFFFFFFF
LIMIT_16 = 0xFFFF
_UTF8 = 0x0800
_DESCRIPTOR = 0x0008
_STORED, _DEFLATED = 0, 8
_PLAIN, _ZIP64 = 20, 45  # versions needed to extract
_UNIX = 3
_FOLDER_ATTRIBUTE = 0x10
_FILE_TYPES = {
    EntryKind.FILE: stat.S_IFREG,
    EntryKind.FOLDER: stat.S_IFDIR,
    EntryKind.SYMLINK: stat.S_IFLNK,
}
_FIRST_TIME, _LAST_TIME = 315532800, 4354819198  # 1980-01-01 00:00:00 and 2107-12-31 23:59:58, UTC


@dataclass(slots=True)
class _Open:
    """The entry that is being written."""

    entry: Entry
    name: bytes
    offset: int
    zip64: bool
    deflated: bool
    crc: int = 0
    packed: int = 0
    size: int = 0

    @property
    def flags_and_method(self) -> bytes:
        if not self.deflated:
            return struct.pack("<HH", _UTF8, _STORED)
        return struct.pack("<HH", _UTF8 | _DESCRIPTOR, _DEFLATED)


class ZipWriter:
    """Writes what stands around the deflated contents of files.

    Args:
        write: Takes the archive's bytes.
        entries: Everything but the top folder, in order; those whose content is not empty are deflated.
        top: Name of the top folder.
        mtime: The time of every entry, seconds since 1970, written in UTC; zip's own begins in 1980.
    """

    _open: _Open

    def __init__(self, write: Callable[[bytes], object], entries: Sequence[Entry], top: str, mtime: int) -> None:
        self._write = write
        self._top = top
        self._time = _dos_time(mtime)
        self._offset = 0
        self._directory: list[bytes] = []
        self._waiting = iter(entries)
        self._begin(Entry("", EntryKind.FOLDER))

    def frame(self, packed: bytes, size: int, crc: int) -> int:
        """Write the next part of the next deflated content."""
        opened = self._open
        while not opened.deflated or opened.size == opened.entry.size:
            opened = self._next()
        place = self._offset
        opened.crc = combined_crc(opened.crc, crc, size)
        opened.size += size
        opened.packed += len(packed)
        self._emit(packed)
        return place

    def close(self) -> None:
        """Write the rest of the entries, and the directory of all."""
        for entry in self._waiting:
            self._end()
            self._begin(entry)
        self._end()
        start = self._offset
        for header in self._directory:
            self._emit(header)
        self._emit(_end(len(self._directory), self._offset - start, start))

    def _next(self) -> _Open:
        self._end()
        self._begin(next(self._waiting))
        return self._open

    def _begin(self, entry: Entry) -> None:
        name = f"{self._top}/{entry.path}".rstrip("/")
        target = entry.target.encode()
        self._open = opened = _Open(
            entry,
            f"{name}/".encode() if entry.type is EntryKind.FOLDER else name.encode(),
            self._offset,
            zip64=entry.size * 1.05 > LIMIT_32,  # deflate may grow what it cannot shrink
            deflated=entry.type is EntryKind.FILE and entry.size > 0,
        )
        if entry.type is EntryKind.SYMLINK:
            opened.crc = zlib.crc32(target)
            opened.packed = opened.size = len(target)
        self._emit(_local_header(opened, self._time) + target)

    def _end(self) -> None:
        opened = self._open
        if opened.deflated:
            sizes = "<LLQQ" if opened.zip64 else "<LLLL"
            self._emit(struct.pack(sizes, 0x08074B50, opened.crc, opened.packed, opened.size))
        self._directory.append(_directory_header(opened, self._time))

    def _emit(self, data: bytes) -> None:
        self._offset += len(data)
        self._write(data)


def combined_crc(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of two contents one after the other, from theirs.

    That of the first is what it would be if as many zero bytes followed as the second has; CRC-32 is linear, so
    that this is a multiplication by a power of x, modulo its polynomial.
    """
    power, factor = 0x80000000, 0x00800000  # 1, and x to the 8th, with the coefficient of 1 in the highest bit
    while size:
        if size & 1:
            power = _product(power, factor)
        factor = _product(factor, factor)
        size >>= 1
    return _product(first, power) ^ second


def _product(one: int, other: int) -> int:
    """Multiply two polynomials over GF(2) modulo CRC-32's."""
    result = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            result ^= other
        other = other >> 1 ^ (0xEDB88320 if other & 1 else 0)
    return result


def _dos_time(mtime: int) -> bytes:
    year, month, day, hour, minute, second, *_ = time.gmtime(min(max(mtime, _FIRST_TIME), _LAST_TIME))
    clock = hour << 11 | minute << 5 | second // 2
    return struct.pack("<HH", clock, (year - 1980) << 9 | month << 5 | day)


def _local_header(opened: _Open, dos_time: bytes) -> bytes:
    version = _ZIP64 if opened.zip64 else _PLAIN
    crc, packed, size, extra = opened.crc, opened.packed, opened.size, b""
    if opened.zip64:
        packed = size = LIMIT_32
        extra = struct.pack("<HHQQ", 1, 16, 0, 0)  # tells readers that the descriptor's sizes are long
    start = struct.pack("<LH", 0x04034B50, version) + opened.flags_and_method
    sizes = struct.pack("<LLLHH", crc, packed, size, len(opened.name), len(extra))
    return start + dos_time + sizes + opened.name + extra


def _directory_header(opened: _Open, dos_time: bytes) -> bytes:
    kind = opened.entry.type
    attributes = (_FILE_TYPES[kind] | opened.entry.mode) << 16
    if kind is EntryKind.FOLDER:
        attributes |= _FOLDER_ATTRIBUTE
    values = (opened.size, opened.packed, opened.offset)
    long_values = [value for value in values if value >= LIMIT_32]
    size, packed, offset = (min(value, LIMIT_32) for value in values)
    extra = struct.pack(f"<HH{len(long_values)}Q", 1, 8 * len(long_values), *long_values) if long_values else b""
    version = _ZIP64 if opened.zip64 or long_values else _PLAIN
    made_by = _UNIX << 8 | version
    start = struct.pack("<LHH", 0x02014B50, made_by, version) + opened.flags_and_method
    sizes = struct.pack("<LLLHHH", opened.crc, packed, size, len(opened.name), len(extra), 0)
    return start + dos_time + sizes + struct.pack("<HHLL", 0, 0, attributes, offset) + opened.name + extra


def _end(count: int, size: int, start: int) -> bytes:
    end = b""
    if count >= LIMIT_16 or size >= LIMIT_32 or start >= LIMIT_32:
        made_by = _UNIX << 8 | _ZIP64
        end = struct.pack(
            "<LQHHLLQQQQ", 0x06064B50, 44, made_by, _ZIP64, 0, 0, count, count, size, start
        ) + struct.pack("<LLQL", 0x07064B50, 0, start + size, 1)
    count, size, start = min(count, LIMIT_16), min(size, LIMIT_32), min(start, LIMIT_32)
    return end + struct.pack("<LHHHHLLH", 0x06054B50, 0, 0, count, count, size, start, 0)
