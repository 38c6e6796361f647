"""The canonical tar stream: POSIX ustar headers, with pax records only where ustar has no room.

The time is in one place, a global pax header at the very beginning, since it changes with every lock: if it were
in each header, no part of a new archive would be what it was in the old one. Readers that do not know global
headers see the time of the headers, which is the earliest that zip can hold.
"""

from functools import cache
from zlib import adler32

from venvstacks.entries import EntryKind

_BLOCK = 512
_RECORD = 20 * _BLOCK  # what tar calls a record; some readers want the last one whole
_NAME_SIZE = 100
_PREFIX_SIZE = 155
_LARGEST_SIZE = 8**11 - 1
_TIME = b"%011o\0" % 315532800  # 1980-01-01 00:00:00 UTC
_TYPES = {EntryKind.FILE: b"0", EntryKind.SYMLINK: b"2", EntryKind.FOLDER: b"5"}
_NO_OWNER = b"0000000\0" * 2
_MAGIC_AND_NAMES = b"ustar\x0000" + bytes(64) + b"0000000\0" * 2


def stream_start(mtime: int) -> bytes:
    """Return the global header that begins a stream."""
    return _pax(b"g", _record(b"mtime", b"%d" % mtime))


def stream_end(size: int) -> bytes:
    """Return what ends a stream."""
    return bytes(2 * _BLOCK + -(size + 2 * _BLOCK) % _RECORD)


def padding(size: int) -> bytes:
    """Return what follows a file's content of this size."""
    return bytes(-size % _BLOCK)


def tar_header(name: str, kind: EntryKind, mode: int, *, size: int = 0, target: str = "") -> bytes:
    """Return what is before an entry's content: its header, and a pax header before that if it needs one."""
    full_name = name.encode() + b"/" if kind is EntryKind.FOLDER else name.encode()
    records = b""
    place = _split(full_name)
    if place is None:
        records += _record(b"path", full_name)
        place = b"", _fallback(full_name)
    link = target.encode()
    if len(link) > _NAME_SIZE or not link.isascii():
        records += _record(b"linkpath", link)
        link = _fallback(link)
    if size > _LARGEST_SIZE:
        records += _record(b"size", b"%d" % size)
        size = 0
    header = _ustar(place, mode, size, kind=_TYPES[kind], link=link)
    return _pax(b"x", records) + header if records else header


def _pax(kind: bytes, records: bytes) -> bytes:
    header = _ustar((b"", b"././@PaxHeader"), 0o644, len(records), kind=kind, link=b"")
    return header + records + padding(len(records))


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Divide a name between ustar's two fields; None if it does not fit."""
    if not name.isascii():
        return None
    if len(name) <= _NAME_SIZE:
        return b"", name
    # The first slash that leaves a short enough rest; a folder's own slash cannot be the divider.
    cut = name.find(b"/", len(name) - _NAME_SIZE - 1, -1)
    return (name[:cut], name[cut + 1 :]) if 0 < cut <= _PREFIX_SIZE else None


def _fallback(name: bytes) -> bytes:
    """Return what readers without pax support see."""
    return name.decode().encode("ascii", "replace")[:_NAME_SIZE]


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record, which begins with its own length."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(place: tuple[bytes, bytes], mode: int, size: int, *, kind: bytes, link: bytes) -> bytes:
    prefix, name = place
    octal = b"%011o\0" % size
    owned, fixed_sum = _fixed(mode, kind)
    checksum = fixed_sum + _sum(name) + _sum(octal) + _sum(link) + _sum(prefix)
    return b"%s%s%s%s%06o\0 %s%s%s%s" % (
        name.ljust(_NAME_SIZE, b"\0"),
        owned,
        octal,
        _TIME,
        checksum,
        kind,
        link.ljust(_NAME_SIZE, b"\0"),
        _MAGIC_AND_NAMES,
        prefix.ljust(_PREFIX_SIZE + 12, b"\0"),
    )


def _sum(field: bytes) -> int:
    """Add up the bytes of a header's field; its Adler-32 holds that as well, and is there sooner."""
    return (adler32(field) & 0xFFFF) - 1  # true below 65521: of up to 256 bytes


@cache
def _fixed(mode: int, kind: bytes) -> tuple[bytes, int]:
    """Return the fields of mode and owner, and the sum of all bytes that are the same for every such entry."""
    owned = b"%07o\0%s" % (mode, _NO_OWNER)
    return owned, sum(owned) + sum(_TIME) + sum(kind) + sum(_MAGIC_AND_NAMES) + 8 * ord(" ")
