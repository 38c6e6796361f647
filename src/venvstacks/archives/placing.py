"""Writing a layer's tree: verified file by file, and under its final name only when it is complete."""

import errno
import hashlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from venvstacks import files
from venvstacks.archives.entries import FOLDER_MODE, case_clash, entry_problem
from venvstacks.archives.index import IndexEntry
from venvstacks.errors import ArchiveError
from venvstacks.trees import EntryKind

if sys.platform != "win32":
    import fcntl

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_BLOCK = 1 << 20
_TIMES_OF_OPEN_FILES = os.utime in os.supports_fd
_STALE = 24 * 3600.0  # seconds after which nobody is still at work, where that cannot be asked for


class TreeWriter:
    """Takes the contents of a layer's files, in any order and from any thread.

    Each file must be given once, and each must have the size and the hash that its entry tells.

    Args:
        folder: An existing folder, empty.
        entries: Everything that the layer holds, folders first.
        mtime: The time of every entry, seconds since 1970.
        what: How messages name what the contents come from, for example ``the archive app.tar.zst``.
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
        """Find the permission bits that this process does not give to what it makes."""
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

    def write(self, entry: IndexEntry, content: Iterable[bytes | memoryview]) -> None:
        """Write a file.

        Args:
            entry: One of the entries.
            content: Its content, in order.

        Raises:
            ArchiveError: The content is not the one that the entry describes, or was given before.
            OSError: The file cannot be written.
        """
        with self.open(entry) as file:
            for piece in content:
                file.write(piece)

    def open(self, entry: IndexEntry) -> "FileWriter":
        """Open a file for writing.

        Args:
            entry: One of the entries.

        Returns:
            What takes the content, as a context manager: when the block ends, the file must be complete.

        Raises:
            ArchiveError: The content is not the one that the entry describes, or was given before.
            OSError: The file cannot be written.
        """
        path = f"{self._folder}/{entry.path}"
        try:
            descriptor = os.open(path, _CREATE, entry.mode)
        except FileExistsError:
            raise self._error(f"{entry.path!r} is there twice") from None
        return FileWriter(descriptor, entry, self)

    def close(self, file: "FileWriter", entry: IndexEntry) -> None:
        """Take a file for complete, if it is what its entry describes; its descriptor is closed whatever happens.

        Raises:
            ArchiveError: It is not.
            OSError: The file cannot be written.
        """
        descriptor = file.descriptor
        try:
            if not file.is_right():
                raise self._error(f"the content of {entry.path!r} is not what its index says")
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
        """See that nothing is missing, and give folders their modes and times.

        Raises:
            ArchiveError: The content of a file was not given.
            OSError: A folder cannot be changed.
        """
        for entry in self._entries:
            if entry.type is EntryKind.FILE and entry.path not in self._done:
                raise self._error(f"the content of {entry.path!r} is not there")
        folders = [f"{self._folder}/{e.path}" for e in self._entries if e.type is EntryKind.FOLDER]
        for path in (self._folder, *folders):
            if FOLDER_MODE & self._masked or path == self._folder:
                os.chmod(path, FOLDER_MODE)  # noqa: PTH101
            os.utime(path, ns=self._times)

    def _error(self, problem: str) -> ArchiveError:
        return ArchiveError(f"{self._what[:1].upper()}{self._what[1:]} is damaged: {problem}.")


class FileWriter:
    """Takes the content of one file, in order; made by :meth:`TreeWriter.open`.

    Args:
        descriptor: The open file.
        entry: What it must become.
        tree: Told when it is complete.
    """

    __slots__ = ("_digest", "_entry", "_left", "_sha256", "_tree", "descriptor")

    def __init__(self, descriptor: int, entry: IndexEntry, tree: TreeWriter) -> None:
        self.descriptor = descriptor
        self._entry = entry
        self._tree = tree
        self._sha256 = entry.sha256
        self._left = entry.size
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
        self._digest.update(data)
        done = os.write(self.descriptor, data)
        if done < len(data):
            rest = memoryview(data)[done:]
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]

    def clone(self, source: int) -> bool:
        """Take all of the content from another file, as a clone: both share blocks until one is written to.

        What is verified is the clone.

        Args:
            source: The other file, open.

        Returns:
            False if that cannot be done here; then nothing was taken.
        """
        try:
            files.clone(source, self.descriptor)
        except OSError:
            return False
        self._left -= os.fstat(self.descriptor).st_size
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        while piece := os.read(self.descriptor, _BLOCK):
            self._digest.update(piece)
        return True

    def is_right(self) -> bool:
        """Tell whether the file has its size and hash."""
        return self._left == 0 and self._digest.hexdigest() == self._sha256

    def accept(self, start: str) -> str | None:
        """Take the content for the right one if the first digits of its hash are right.

        For contents of which all of the hash is compared later.

        Args:
            start: The first hexadecimal digits.

        Returns:
            The hash; None if it begins otherwise, or the file does not have its size.
        """
        sha256 = self._digest.hexdigest()
        if self._left or not sha256.startswith(start):
            return None
        self._sha256 = sha256
        return sha256


@contextmanager
def new_tree(
    destination: Path, entries: Sequence[IndexEntry], mtime: int, what: str, *, replace: bool = False
) -> Iterator[TreeWriter]:
    """Write a layer's tree; it appears under its name when the block ends well, and not at all otherwise.

    Args:
        destination: The layer's folder. Its parent is made if it is not there.
        entries: Everything that the layer holds, folders first; checked once more.
        mtime: The time of every entry, seconds since 1970.
        what: How messages name what the contents come from, for example ``the archive app.tar.zst``.
        replace: Whether to take the place of what is there.

    Yields:
        What takes the contents of the files; folders and links are there already.

    Raises:
        ArchiveError: An entry must not be in a layer, a content was wrong or not given, or the file system
            cannot tell names apart that differ in case.
        FileExistsError: Something is there, and ``replace`` is false.
        OSError: Something cannot be written.
    """
    if problem := entry_problem(entries, destination.name, windows=os.name == "nt"):
        raise ArchiveError(f"{what[:1].upper()}{what[1:]} is refused: {problem}.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with _own_folder(destination) as folder:
        try:
            _check_case(entries, folder, what)
            writer = TreeWriter(folder, entries, mtime, what)
            writer.begin()
            yield writer
            writer.finish()
            _put_in_place(folder, destination, replace=replace)
        except BaseException:
            files.remove_tree(folder)
            raise


def _put_in_place(folder: Path, destination: Path, *, replace: bool) -> None:
    if replace:
        files.replace_tree(folder, destination)
    elif os.path.lexists(destination):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(destination))
    else:
        folder.replace(destination)


def _check_case(entries: Sequence[IndexEntry], folder: Path, what: str) -> None:
    if (clash := case_clash(entries)) and _ignores_case(folder):
        raise ArchiveError(
            f"{what[:1].upper()}{what[1:]} is refused: {clash[0]!r} and {clash[1]!r} are one name on the file "
            f"system of {folder.parent}.",
            hint="unpack it on a file system that tells upper and lower case apart",
        )


def _ignores_case(folder: Path) -> bool:
    probe = folder / "probe"
    probe.touch()
    try:
        return (folder / "PROBE").exists()
    finally:
        probe.unlink()


@contextmanager
def _own_folder(destination: Path) -> Iterator[Path]:
    """Make a folder beside the final one that other runs see to be in use."""
    while True:
        folder = destination.with_name(f"{files.TEMPORARY_PREFIX}{secrets.token_hex(6)}")
        folder.mkdir()
        if sys.platform == "win32":
            yield folder
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.lexists(folder):  # else a run that cleans up took it for abandoned, just before
                yield folder
                return
        finally:
            os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished trees in a folder on which no run is at work any more.

    Args:
        folder: Where layers are unpacked.

    Raises:
        OSError: One of them cannot be removed.
    """
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name.startswith(files.TEMPORARY_PREFIX) and entry.is_dir() and not entry.is_symlink():
            _remove_if_abandoned(entry)


def _remove_if_abandoned(folder: Path) -> None:
    if sys.platform == "win32":
        if time.time() - folder.stat().st_mtime > _STALE:
            files.remove_tree(folder)
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.remove_tree(folder)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
