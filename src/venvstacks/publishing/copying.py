"""Copying a layer's entries: as clones where the file system can, as hardlinks where that is safe, else as copies.

A hardlink is safe for native code: nobody edits it in place. Anything else is copied, so that an edit in
the export reaches neither the build folder nor uv's cache.
"""

import os
import struct
import sys
from pathlib import Path

from venvstacks import files
from venvstacks.entries import Entry, EntryKind

_CHUNK = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)
_NATIVE_SUFFIXES = (".so", ".dll", ".dylib", ".pyd", ".a", ".lib")
_NATIVE_MAGICS = (
    b"\x7fELF",
    *(struct.pack(order + "L", magic) for magic in (0xFEEDFACE, 0xFEEDFACF) for order in "<>"),
)
_FAT_MAGICS = (0xCAFEBABE, 0xCAFEBABF)
_MOST_ARCHITECTURES = 40  # Java classes have the same magic, and then a version of 45 or more
_PE_OFFSET_AT = 0x3C


class Copier:
    """Copies entries of one folder into another; any thread may use it.

    What the file systems turn out not to support is not tried again.

    Args:
        source: Holds the entries.
        destination: An existing folder.
    """

    def __init__(self, source: Path, destination: Path) -> None:
        self._source = os.fspath(source)
        self._destination = os.fspath(destination)
        self._clones = sys.platform == "linux"
        self._hardlinks = True

    def copy(self, entry: Entry) -> None:
        """Copy an entry, whose parent is there already."""
        source = f"{self._source}/{entry.path}"
        destination = f"{self._destination}/{entry.path}"
        if entry.type is EntryKind.FOLDER:
            os.mkdir(destination)  # noqa: PTH102 - a Path an entry is slow
        elif entry.type is EntryKind.SYMLINK:
            os.symlink(entry.target, destination, target_is_directory=os.path.isdir(source))  # noqa: PTH112, PTH211
        else:
            self._copy_file(entry, source, destination)

    def _copy_file(self, entry: Entry, source: str, destination: str) -> None:
        if not self._clones and entry.path.endswith(_NATIVE_SUFFIXES) and self._link(source, destination):
            return
        reading = os.open(source, os.O_RDONLY | _BINARY)
        try:
            if self._clones and self._clone(entry, reading, destination):
                return
            head = os.read(reading, min(_CHUNK, entry.size + 1))
            if is_native(entry.path, head) and self._link(source, destination):
                return
            writing = _create(entry, destination)
            try:
                files.write_all(writing, head)
                if len(head) != entry.size:
                    while more := os.read(reading, _CHUNK):
                        files.write_all(writing, more)
                _set_times(entry, writing, destination)
            finally:
                os.close(writing)
        finally:
            os.close(reading)

    def _link(self, source: str, destination: str) -> bool:
        if not self._hardlinks:
            return False
        try:
            os.link(source, destination)
        except OSError:  # another file system, too many links, forbidden: copying reports what matters
            self._hardlinks = False
        return self._hardlinks

    def _clone(self, entry: Entry, reading: int, destination: str) -> bool:
        writing = _create(entry, destination)
        try:
            files.clone(reading, writing)
            _set_times(entry, writing, destination)
        except OSError:  # not supported, or another file system
            self._clones = False
            os.unlink(destination)  # noqa: PTH108 - a Path an entry is slow
            return False
        finally:
            os.close(writing)
        return True


def is_native(path: str, head: bytes) -> bool:
    """Return whether a file is native code."""
    if path.endswith(_NATIVE_SUFFIXES) or head.startswith(_NATIVE_MAGICS):
        return True
    if head.startswith(b"MZ") and len(head) >= _PE_OFFSET_AT + 4:
        (offset,) = struct.unpack_from("<L", head, _PE_OFFSET_AT)
        return head[offset : offset + 4] == b"PE\0\0"
    if len(head) >= 8:  # noqa: PLR2004 - magic and number of architectures
        return any(
            magic in _FAT_MAGICS and 0 < count <= _MOST_ARCHITECTURES
            for magic, count in (struct.unpack_from(order + "LL", head) for order in "<>")
        )
    return False


def _create(entry: Entry, path: str) -> int:
    mode = 0o777 if entry.executable else 0o666
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)


def _set_times(entry: Entry, descriptor: int, path: str) -> None:
    times = (entry.changed_ns, entry.changed_ns)
    os.utime(descriptor if os.utime in os.supports_fd else path, ns=times)
