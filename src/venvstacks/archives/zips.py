"""The zip container, in one pass: a file's checksum and sizes follow it, in a data descriptor."""

import stat
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator

from venvstacks.archives.archive_plan import ArchivePlan
from venvstacks.archives.frame_cache import PackedFrame
from venvstacks.archives.frame_layout import content_size
from venvstacks.archives.index import Frame
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


def write_zip(
    write: Callable[[bytes], object], plan: ArchivePlan, packed: Iterable[PackedFrame]
) -> Iterator[Frame]:
    """Write what is around the deflated contents of files, and return where those are.

    The time of every entry is written in UTC; zip's own begins in 1980.
    """
    frames = zip(plan.frames, packed, strict=True)
    dos_time = _dos_time(plan.mtime)
    directory = []
    offset = 0
    for entry in (Entry("", EntryKind.FOLDER), *plan.entries):
        path = f"{plan.top}/{entry.path}".rstrip("/")
        name = f"{path}/".encode() if entry.type is EntryKind.FOLDER else path.encode()
        target = entry.target.encode()
        crc, packed_size = zlib.crc32(target), len(target)
        header = _local_header(entry, name, dos_time) + target
        write(header)
        start, offset = offset, offset + len(header)
        left = entry.size
        while left:
            parts, (data, sha256, own_crc) = next(frames)
            size = content_size(parts)
            write(data)
            yield Frame(offset, len(data), size, sha256)
            crc = combine_crcs(crc, own_crc, size)
            packed_size += len(data)
            offset += len(data)
            left -= size
        if entry.size:
            sizes = "<LLQQ" if _is_long(entry) else "<LLLL"
            descriptor = struct.pack(sizes, 0x08074B50, crc, packed_size, entry.size)
            write(descriptor)
            offset += len(descriptor)
        directory.append(_directory_header(entry, name, dos_time, crc=crc, packed=packed_size, offset=start))
    next(frames, None)  # there is none: this lets whoever packs them end
    for header in directory:
        write(header)
    write(_end(len(directory), sum(map(len, directory)), offset))


def combine_crcs(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of two contents one after the other, from theirs.

    That of the first is what it would be if as many zero bytes followed as the second has; CRC-32 is linear, so
    that this is a multiplication by a power of x, modulo its polynomial.
    """
    if not first:  # as for a file in one frame; what follows takes 0.2 ms
        return second
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


def _is_long(entry: Entry) -> bool:
    """Return whether sizes of the content may need more than 32 bits: deflate may grow what it cannot shrink."""
    return entry.size * 1.05 > LIMIT_32


def _flags_and_method(entry: Entry) -> bytes:
    if entry.size:
        return struct.pack("<HH", _UTF8 | _DESCRIPTOR, _DEFLATED)
    return struct.pack("<HH", _UTF8, _STORED)


def _local_header(entry: Entry, name: bytes, dos_time: bytes) -> bytes:
    target = entry.target.encode()
    packed = size = len(target)
    version, extra = _PLAIN, b""
    if _is_long(entry):
        packed = size = LIMIT_32
        version = _ZIP64
        extra = struct.pack("<HHQQ", 1, 16, 0, 0)  # tells readers that the descriptor's sizes are long
    start = struct.pack("<LH", 0x04034B50, version) + _flags_and_method(entry)
    sizes = struct.pack("<LLLHH", zlib.crc32(target), packed, size, len(name), len(extra))
    return start + dos_time + sizes + name + extra


def _directory_header(entry: Entry, name: bytes, dos_time: bytes, *, crc: int, packed: int, offset: int) -> bytes:
    attributes = (_FILE_TYPES[entry.type] | entry.mode) << 16
    if entry.type is EntryKind.FOLDER:
        attributes |= _FOLDER_ATTRIBUTE
    values = (entry.size or packed, packed, offset)  # what is not deflated has one size
    long_values = [value for value in values if value >= LIMIT_32]
    size, packed, offset = (min(value, LIMIT_32) for value in values)
    extra = struct.pack(f"<HH{len(long_values)}Q", 1, 8 * len(long_values), *long_values) if long_values else b""
    version = _ZIP64 if _is_long(entry) or long_values else _PLAIN
    made_by = _UNIX << 8 | version
    start = struct.pack("<LHH", 0x02014B50, made_by, version) + _flags_and_method(entry)
    sizes = struct.pack("<LLLHHH", crc, packed, size, len(name), len(extra), 0)
    return start + dos_time + sizes + struct.pack("<HHLL", 0, 0, attributes, offset) + name + extra


def _end(count: int, size: int, start: int) -> bytes:
    end = b""
    if count >= LIMIT_16 or size >= LIMIT_32 or start >= LIMIT_32:
        made_by = _UNIX << 8 | _ZIP64
        end = struct.pack(
            "<LQHHLLQQQQ", 0x06064B50, 44, made_by, _ZIP64, 0, 0, count, count, size, start
        ) + struct.pack("<LLQL", 0x07064B50, 0, start + size, 1)
    count, size, start = min(count, LIMIT_16), min(size, LIMIT_32), min(start, LIMIT_32)
    return end + struct.pack("<LHHHHLLH", 0x06054B50, 0, 0, count, count, size, start, 0)
