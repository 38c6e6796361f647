"""Writing the files of a layer's tree: each verified while it is written, in any order."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from venvstacks import files
from venvstacks.archives.index import IndexEntry
from venvstacks.entries import FOLDER_MODE, EntryKind
from venvstacks.errors import ArchiveError

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_BLOCK = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TIMES_OF_OPEN_FILES = os.utime in os.supports_fd


class TreeWriter:
    """Takes the contents of a layer's files, in any order and from any thread.

    Each file must be written once, and have the size and the hash of its entry.

    Args:
        folder: An existing folder, empty.
        entries: Everything that the layer holds, folders first.
        mtime: The time of every entry, seconds since 1970.
        what: How messages begin that name where the contents come from: ``The archive app.tar.zst``.
    """

    def __init__(self, folder: Path, entries: Sequence[IndexEntry], mtime: int, what: str) -> None:
        self._folder = os.fspath(folder)
        self._entries = entries
        self._times = (mtime * 10**9, mtime * 10**9)
        self._what = what
        self._done: set[str] = set()
        self._guard = threading.Lock()
        self._masked = self._mask()

    def _mask(self) -> int:
        """Return the permission bits that this process's umask removes."""
        probe = f"{self._folder}/probe"
        descriptor = os.open(probe, _CREATE, 0o777)
        try:
            mode = os.fstat(descriptor).st_mode & 0o777 if os.name == "posix" else 0o777
        finally:
            os.close(descriptor)
        os.unlink(probe)  # noqa: PTH108 - as everywhere here, a Path an entry is slow
        return 0o777 & ~mode

    def begin(self) -> None:
        """Make all folders, and the links."""
        for entry in self._entries:
            path = f"{self._folder}/{entry.path}"
            if entry.type is EntryKind.FOLDER:
                with suppress(FileExistsError):  # names of folders may differ in case alone
                    os.mkdir(path, FOLDER_MODE)  # noqa: PTH102
            elif entry.type is EntryKind.SYMLINK:
                self._make_link(entry, path)

    def _make_link(self, entry: IndexEntry, path: str) -> None:
        leads_to = os.path.normpath(os.path.join(os.path.dirname(path), entry.target))  # noqa: PTH118, PTH120
        os.symlink(entry.target, path, target_is_directory=os.path.isdir(leads_to))  # noqa: PTH112, PTH211
        if os.utime in os.supports_follow_symlinks:
            os.utime(path, ns=self._times, follow_symlinks=False)

    def write(self, entry: IndexEntry, content: Iterable[bytes | memoryview], *, verified: bool = False) -> None:
        """Write a file; see :meth:`open`."""
        with self.open(entry, verified=verified) as file:
            for piece in content:
                file.write(piece)

    def open(self, entry: IndexEntry, *, verified: bool = False) -> "FileWriter":
        """Open a file for writing; what was ``verified`` before is not hashed once more."""
        path = f"{self._folder}/{entry.path}"
        try:
            descriptor = os.open(path, _CREATE, entry.mode)
        except FileExistsError:
            raise self._error(f"{entry.path!r} is there twice") from None
        return FileWriter(descriptor, entry, self, verified=verified)

    def discard(self, entry: IndexEntry) -> None:
        """Remove what was written of a file that turned out not to be right, so that it can be written again."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self._folder}/{entry.path}")  # noqa: PTH108

    def link(self, entry: IndexEntry, source: str) -> None:
        """Take a file as a hard link to another, which is believed to be right."""
        os.link(source, f"{self._folder}/{entry.path}")
        with self._guard:
            self._done.add(entry.path)

    def close(self, file: "FileWriter", entry: IndexEntry) -> None:
        """Complete a file if it is what its entry describes; its descriptor is closed whatever happens."""
        descriptor = file.descriptor
        try:
            if not file.is_right():
                raise self._error(f"the content of {entry.path!r} does not match its index")
            if entry.mode & self._masked:
                os.fchmod(descriptor, entry.mode)
            if _TIMES_OF_OPEN_FILES:
                os.utime(descriptor, ns=self._times)
        finally:
            os.close(descriptor)
        if not _TIMES_OF_OPEN_FILES:
            os.utime(f"{self._folder}/{entry.path}", ns=self._times)
        with self._guard:
            self._done.add(entry.path)

    def finish(self) -> None:
        """Ensure that nothing is missing, and set the modes and times of folders."""
        for entry in self._entries:
            if entry.type is EntryKind.FILE and entry.path not in self._done:
                raise self._error(f"the content of {entry.path!r} is not there")
        folders = [f"{self._folder}/{e.path}" for e in self._entries if e.type is EntryKind.FOLDER]
        for path in (self._folder, *folders):
            if FOLDER_MODE & self._masked or path == self._folder:
                os.chmod(path, FOLDER_MODE)  # noqa: PTH101
            os.utime(path, ns=self._times)

    def _error(self, problem: str) -> ArchiveError:
        return ArchiveError(f"{self._what} is damaged: {problem}.")


class FileWriter:
    """Takes the content of one file, in order; made by :meth:`TreeWriter.open`, which completes it as well."""

    __slots__ = ("_digest", "_entry", "_left", "_tree", "_verified", "descriptor")

    def __init__(self, descriptor: int, entry: IndexEntry, tree: TreeWriter, *, verified: bool) -> None:
        self.descriptor = descriptor
        self._entry = entry
        self._tree = tree
        self._left = entry.size
        self._verified = verified
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._tree.close(self, self._entry)
        else:
            os.close(self.descriptor)

    def write(self, data: bytes | memoryview) -> None:
        """Write some of the content; nothing is written beyond the size that the file must have."""
        self._left -= len(data)
        if self._left < 0:
            return
        if not self._verified:
            self._digest.update(data)
        files.write_all(self.descriptor, data)

    def clone(self, source: int) -> bool:
        """Take all of the content from another file, as a clone: both share blocks until one is written to.

        What is verified is the clone.
        """
        try:
            files.clone(source, self.descriptor)
        except OSError:
            return False
        self._left -= os.fstat(self.descriptor).st_size
        if self._verified:
            return True
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        while piece := os.read(self.descriptor, _BLOCK):
            self._digest.update(piece)
        return True

    def take(self, source: int) -> None:
        """Take all of the content from another file, which is believed to be right, so that it is not hashed."""
        left = self._left
        try:
            while left and (done := os.copy_file_range(source, self.descriptor, left)):
                left -= done
        except (AttributeError, OSError) as error:  # not on this system, or not between these file systems
            if left != self._left or getattr(error, "errno", None) in _FULL:
                raise
            while piece := os.read(source, _BLOCK):
                files.write_all(self.descriptor, piece)
                left -= len(piece)
        self._left = left

    @property
    def sha256(self) -> str:
        """The hash of what was written."""
        return self._digest.hexdigest()

    def is_right(self) -> bool:
        """Return whether the file has its size, and the hash of which its entry may have the first digits only."""
        known = self._entry.sha256
        if self._verified:
            return self._left == 0
        return self._left == 0 and known != "" and self.sha256.startswith(known)
