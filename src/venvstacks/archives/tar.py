"""The canonical tar stream: POSIX ustar headers, with pax records only where ustar has no room."""

from collections.abc import Callable

from venvstacks.archives.members import Member
from venvstacks.trees import EntryKind

_BLOCK = 512
_RECORD = 20 * _BLOCK  # what tar calls a record; some readers want the last one whole
_NAME_SIZE = 100
_PREFIX_SIZE = 155
_LARGEST_SIZE = 8**11 - 1
_TYPES = {EntryKind.FILE: b"0", EntryKind.SYMLINK: b"2", EntryKind.FOLDER: b"5"}
_NO_OWNER = b"0000000\0" * 2
_MAGIC_AND_NAMES = b"ustar\x0000" + bytes(64) + b"0000000\0" * 2


class TarWriter:
    """Writes members as a tar stream.

    Args:
        write: Takes the stream's bytes, in pieces of any size.
        mtime: The time of every member, seconds since 1970.
    """

    def __init__(self, write: Callable[[bytes], object], mtime: int) -> None:
        self._write = write
        self._mtime = mtime
        self._size = 0

    def begin(self, member: Member) -> None:
        """Begin a member; a file's content must follow, in all as long as its entry says."""
        header = tar_header(member, self._mtime)
        self._size += len(header)
        self._write(header)

    def data(self, data: bytes) -> None:
        """Write some of the file's content."""
        self._size += len(data)
        self._write(data)

    def end(self) -> None:
        """End the member."""
        self._pad(_BLOCK)

    def close(self) -> None:
        """End the stream."""
        self.data(bytes(2 * _BLOCK))
        self._pad(_RECORD)

    def _pad(self, multiple: int) -> None:
        if missing := -self._size % multiple:
            self.data(bytes(missing))


def tar_header(member: Member, mtime: int) -> bytes:
    """Give what stands before a member's content: its header, and a pax header before that if it needs one.

    Args:
        member: The member.
        mtime: Its time, seconds since 1970.
    """
    kind = member.entry.kind
    full_name = member.name + b"/" if kind is EntryKind.FOLDER else member.name
    size = member.entry.size if kind is EntryKind.FILE else 0
    records = b""
    place = _split(full_name)
    if place is None:
        records += _record(b"path", full_name)
        place = b"", _fallback(full_name)
    link = member.link_target
    if len(link) > _NAME_SIZE or not link.isascii():
        records += _record(b"linkpath", link)
        link = _fallback(link)
    if size > _LARGEST_SIZE:
        records += _record(b"size", b"%d" % size)
        size = 0
    header = _ustar(place, member.mode, size, mtime, kind=_TYPES[kind], link=link)
    if not records:
        return header
    pax = _ustar((b"", b"././@PaxHeader"), 0o644, len(records), 0, kind=b"x", link=b"")
    return pax + records + bytes(-len(records) % _BLOCK) + header


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
    """Give what readers without pax support see."""
    return name.decode().encode("ascii", "replace")[:_NAME_SIZE]


def _record(key: bytes, value: bytes) -> bytes:
    """Give a pax record, which begins with its own length."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(place: tuple[bytes, bytes], mode: int, size: int, mtime: int, *, kind: bytes, link: bytes) -> bytes:
    prefix, name = place
    start = b"%s%07o\0%s%011o\0%011o\0" % (name.ljust(_NAME_SIZE, b"\0"), mode, _NO_OWNER, size, mtime)
    end = b"%s%s%s%s" % (
        kind,
        link.ljust(_NAME_SIZE, b"\0"),
        _MAGIC_AND_NAMES,
        prefix.ljust(_PREFIX_SIZE + 12, b"\0"),
    )
    return b"%s%06o\0 %s" % (start, sum(start) + sum(end) + 8 * ord(" "), end)
