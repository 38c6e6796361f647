"""Zip archives in one pass: a file's checksum and sizes follow it, in a data descriptor."""

import stat
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from venvstacks.archives.codecs import Compressor, raw_deflate
from venvstacks.archives.members import Member
from venvstacks.trees import EntryKind

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
    """The member that is being written."""

    member: Member
    name: bytes
    offset: int
    zip64: bool
    deflate: Compressor | None
    crc: int = 0
    packed: int = 0
    size: int = 0

    @property
    def flags_and_method(self) -> bytes:
        if self.deflate is None:
            return struct.pack("<HH", _UTF8, _STORED)
        return struct.pack("<HH", _UTF8 | _DESCRIPTOR, _DEFLATED)


class ZipWriter:
    """Writes members as a zip archive.

    Args:
        write: Takes the archive's bytes.
        mtime: The time of every member, seconds since 1970, written in UTC; zip's own begins in 1980.
        level: Of deflate.
    """

    _open: _Open

    def __init__(self, write: Callable[[bytes], object], mtime: int, level: int) -> None:
        self._write = write
        self._time = _dos_time(mtime)
        self._level = level
        self._offset = 0
        self._directory: list[bytes] = []

    def begin(self, member: Member) -> None:
        """Begin a member; a file's content must follow, in all as long as its entry says."""
        entry = member.entry
        self._open = opened = _Open(
            member,
            member.name + b"/" if entry.kind is EntryKind.FOLDER else member.name,
            self._offset,
            zip64=entry.size * 1.05 > LIMIT_32,  # deflate may grow what it cannot shrink
            deflate=raw_deflate(self._level) if entry.kind is EntryKind.FILE and entry.size else None,
        )
        if entry.kind is EntryKind.SYMLINK:
            opened.crc = zlib.crc32(member.link_target)
            opened.packed = opened.size = len(member.link_target)
        self._emit(_local_header(opened, self._time) + member.link_target)

    def data(self, data: bytes) -> None:
        """Write some of the file's content."""
        opened = self._open
        if opened.deflate is not None:
            opened.crc = zlib.crc32(data, opened.crc)
            opened.size += len(data)
            self._pack(opened.deflate.compress(data))

    def end(self) -> None:
        """End the member."""
        opened = self._open
        if opened.deflate is not None:
            self._pack(opened.deflate.flush())
            sizes = "<LLQQ" if opened.zip64 else "<LLLL"
            self._emit(struct.pack(sizes, 0x08074B50, opened.crc, opened.packed, opened.size))
        self._directory.append(_directory_header(opened, self._time))

    def close(self) -> None:
        """Write the directory of all members."""
        start = self._offset
        for header in self._directory:
            self._emit(header)
        self._emit(_end(len(self._directory), self._offset - start, start))

    def _pack(self, packed: bytes) -> None:
        self._open.packed += len(packed)
        self._emit(packed)

    def _emit(self, data: bytes) -> None:
        self._offset += len(data)
        self._write(data)


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
    kind = opened.member.entry.kind
    attributes = (_FILE_TYPES[kind] | opened.member.mode) << 16
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
