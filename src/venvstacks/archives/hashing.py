"""Hashes of files, remembered as long as size, time and inode of a file show that it is still the same."""

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from venvstacks.archives.frame_cache import FrameCache
from venvstacks.entries import Entry
from venvstacks.errors import PublishError

_SECOND_NS = 10**9  # a time of whole seconds may be one that somebody set, and does not distinguish files
_SETTLED_NS = 2 * 10**9  # a file that was changed a moment ago may be changed once more without showing it

Fact = tuple[int, int, int, str]
"""Bytes, time of the last change in nanoseconds since 1970, number of the file in its file system, SHA-256."""


class FileHashes:
    """Hashes of the files of one folder, an absolute path, remembered in a cache if there is one."""

    def __init__(self, folder: Path, cache: FrameCache | None) -> None:
        self._folder = os.fspath(folder)
        self._cache = cache
        self._key = hashlib.sha256(f"hashes of files in {self._folder}".encode()).hexdigest()
        self._known = self._read()
        self._new: dict[str, Fact] = {}

    def _read(self) -> Mapping[str, Fact]:
        found = self._cache.get(self._key) if self._cache is not None else None
        if found is None:
            return {}
        try:
            return msgspec.msgpack.decode(found[0], type=dict[str, Fact])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return {}

    def look_up(self, entry: Entry) -> str | None:
        """Return a file's hash if it is remembered, and the file is still what it was."""
        fact = self._known.get(entry.path)
        if fact is None or fact[0] != entry.size or fact[1] != entry.changed_ns:
            return None
        if entry.changed_ns % _SECOND_NS == 0 and self._inode(entry) != fact[2]:
            return None
        self._new[entry.path] = fact
        return fact[3]

    def _inode(self, entry: Entry) -> int | None:
        try:
            return os.lstat(f"{self._folder}/{entry.path}").st_ino
        except OSError:
            return None

    def remember(self, entry: Entry, inode: int, sha256: str) -> None:
        """Remember a hash."""
        if time.time_ns() - entry.changed_ns > _SETTLED_NS:
            self._new[entry.path] = (entry.size, entry.changed_ns, inode, sha256)

    def save(self) -> None:
        """Keep what is known for the next run."""
        if self._cache is not None and self._new != self._known:
            self._cache.put(self._key, msgspec.msgpack.encode(self._new))


def read_part(folder: Path, entry: Entry, start: int, size: int) -> tuple[bytes, int]:
    """Read a part of a file that must be what it was when the folder was listed."""
    with open(f"{folder}/{entry.path}", "rb", buffering=0) as file:  # noqa: PTH123 - a Path an entry is slow
        file.seek(start)
        data = file.read(size)
        while len(data) < size and (more := file.read(size - len(data))):
            data += more
        info = os.fstat(file.fileno())
    if (info.st_size, info.st_mtime_ns) != (entry.size, entry.changed_ns):
        how = "" if info.st_size == entry.size else f": it had {entry.size} bytes when the layer was built"
        raise PublishError(
            f"{entry.path!r} changed while it was archived{how}.",
            hint="let nothing write into the build folder, and build the layer again",
        )
    return data, info.st_ino
