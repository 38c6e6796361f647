"""Compressed frames kept between runs, so that what was seen before is not compressed again.

A folder that any number of runs may use at once, and that may be removed at any time. Each entry is a file that is
whole or absent; one that was damaged is noticed by the hashes in it, and made again.
"""

import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from venvstacks import files
from venvstacks.errors import UsageError
from venvstacks.humanize import read_size

DEFAULT_LIMIT = 10 * 10**9
"""Bytes that a cache may hold by default."""

_FOLDER = "v1"  # another form of entries gets another folder
_MAGIC = b"venvstacks frame 1\n"
_FACTS = struct.Struct("<32sL")  # hash of the data, CRC-32 of the content
_DIGEST_SIZE = 32
_STALE = 3600.0  # seconds after which no run can still be writing an entry
_PARTS = 10  # after so much of the limit was written, the cache is looked through


LIMIT_VARIABLE = "VENVSTACKS_CACHE_LIMIT"
"""The environment variable for how much may be kept; 0 keeps nothing."""

PackedFrame = tuple[bytes, str, int]
"""A frame as it is written, or whatever else is kept: its bytes, their SHA-256, for zip the content's CRC-32."""

Totals = tuple[int, int]
"""Number of entries, and bytes of all of them."""


def open_frame_cache(folder: Path | None, environ: Mapping[str, str]) -> "FrameCache":
    """Return the cache of compressed frames."""
    if folder is None:
        from platformdirs import user_cache_path  # noqa: PLC0415 - only where it is needed

        folder = user_cache_path("venvstacks", appauthor=False)
    text = environ.get(LIMIT_VARIABLE, "").strip()
    try:
        limit = read_size(text) if text else DEFAULT_LIMIT
    except ValueError:
        raise UsageError(
            f"The environment variable {LIMIT_VARIABLE} is {text!r}, which is not a size.",
            hint="a size is a number of bytes, or a number with kB, MB or GB, for example 20GB",
        ) from None
    return FrameCache(folder / "frames", limit)


class FrameCache:
    """Keeps entries under keys; any thread may use it.

    A cache that cannot be read or written is one that holds nothing: the work goes on without it.

    Args:
        folder: Where the entries are; made when there is something to keep.
        limit: Bytes that it may hold. When there are more, those go that were not used for the longest time.
            0 keeps nothing.

    Attributes:
        problem: Why an entry could not be kept, after which no other is; None if all could.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self.problem: OSError | None = None
        self._entries = folder / _FOLDER
        self._guard = threading.Lock()
        self._unseen = 0

    def get(self, key: str) -> PackedFrame | None:
        """Return the entry of a key, if it is there and whole."""
        if not self.limit:
            return None
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        found = _decode(key, content)
        with suppress(OSError):
            if found is None:
                path.unlink()
            else:
                os.utime(path)
        return found

    def put(self, key: str, data: bytes, *, crc: int = 0) -> PackedFrame:
        """Keep an entry."""
        digest = hashlib.sha256(data)
        facts = _FACTS.pack(digest.digest(), crc)
        if self.limit and self.problem is None:
            path = self._path(key)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._write(path, (_MAGIC, facts, _check(key, facts), data))
            except OSError as error:
                self.problem = error
            self._account(len(data))
        return data, digest.hexdigest(), crc

    def _write(self, path: Path, parts: tuple[bytes, ...]) -> None:
        """Write an entry in one move. It need not reach the disk: if it does not, its hashes will tell."""
        temporary = files.temporary_beside(path)
        try:
            with temporary.open("xb") as file:
                file.writelines(parts)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _account(self, size: int) -> None:
        with self._guard:
            self._unseen += size
            due = self._unseen > self.limit // _PARTS
        if due:
            self.trim()

    def trim(self) -> Totals:
        """Keep to the limit, if anything was written since the last time."""
        with self._guard:
            if not self._unseen:
                return 0, 0
            self._unseen = 0
        try:
            return self.prune(self.limit)
        except OSError as error:
            self.problem = error
            return 0, 0

    def measure(self) -> Totals:
        """Return what the cache holds."""
        return _totals(list(self._files()))

    def prune(self, limit: int) -> Totals:
        """Remove what was not used for the longest time, and what runs left that were killed."""
        found = sorted(self._files())
        surplus = sum(size for _, size, _ in found) - limit
        removed = []
        for file in found:
            if surplus <= 0:
                break
            _, size, path = file
            with suppress(FileNotFoundError):  # another run does the same
                os.unlink(path)  # noqa: PTH108 - a Path an entry is slow
                removed.append(file)
            surplus -= size
        self._remove_unfinished()
        return _totals(removed)

    def clear(self) -> Totals:
        """Remove everything."""
        totals = self.measure()
        files.remove_tree(self._entries)
        return totals

    def _path(self, key: str) -> Path:
        return self._entries / key[:2] / key[2:]

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """List entries: when each was last used, its size and its path."""
        for item in self._scan():
            if not item.name.startswith(files.TEMPORARY_PREFIX):
                with suppress(FileNotFoundError):
                    info = item.stat()
                    yield info.st_mtime, info.st_size, item.path

    def _remove_unfinished(self) -> None:
        for item in self._scan():
            if item.name.startswith(files.TEMPORARY_PREFIX):
                with suppress(FileNotFoundError):
                    if time.time() - item.stat().st_mtime > _STALE:
                        os.unlink(item.path)  # noqa: PTH108 - as above

    def _scan(self) -> Iterator[os.DirEntry[str]]:
        for folder in _list(self._entries):
            yield from _list(folder.path)


def _list(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _totals(found: list[tuple[float, int, str]]) -> Totals:
    return len(found), sum(size for _, size, _ in found)


def _check(key: str, facts: bytes) -> bytes:
    """Return what binds the facts of an entry to its key."""
    return hashlib.sha256(key.encode() + facts).digest()


def _decode(key: str, content: bytes) -> PackedFrame | None:
    facts_at = len(_MAGIC)
    check_at = facts_at + _FACTS.size
    data_at = check_at + _DIGEST_SIZE
    facts = content[facts_at:check_at]
    if content[:facts_at] != _MAGIC or content[check_at:data_at] != _check(key, facts):
        return None
    digest, crc = _FACTS.unpack(facts)
    data = content[data_at:]
    found = hashlib.sha256(data)
    return (data, found.hexdigest(), crc) if found.digest() == digest else None
