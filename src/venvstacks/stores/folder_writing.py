"""Writing into a folder that several runs use at once, and of which each may be killed at any moment.

A file is written in the store's private folder, under a lock of its own, so that others can tell what a run that
was killed has left behind.
"""

import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from venvstacks.errors import StoreError
from venvstacks.files import TEMPORARY_PREFIX, clone, explain_os_error, write_all
from venvstacks.stores.names import PRIVATE

if sys.platform != "win32":
    import fcntl

_DAY = 86400
_PATIENCE = 60  # seconds for which other runs may hold the lock, each for the time that one small file takes
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


@contextmanager
def explained(doing: str, *, absent: type[StoreError] = StoreError) -> Iterator[None]:
    """Turn operating system errors of a block, which does something, into those of a store."""
    try:
        yield
    except OSError as error:
        found = explain_os_error(error, doing)
        is_absent = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError)
        raise (absent if is_absent else StoreError)(found.message, hint=found.hint) from error


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a store; where the file system has no locks, work as one that is alone.

    Raises:
        StoreError: Other runs hold it all the time.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - reading needs no lock

    lock = FileLock(made_folder(folder / PRIVATE) / "lock")
    try:
        with suppress(NotImplementedError):
            lock.acquire(timeout=_PATIENCE)
    except Timeout as busy:
        raise StoreError(
            f"Other runs have held {folder} for {_PATIENCE} seconds.",
            hint="see whether one of them hangs, then run the command again",
        ) from busy
    try:
        yield
    finally:
        lock.release()


@contextmanager
def unfinished(folder: Path, content: bytes | Path) -> Iterator[Path]:
    """Yield a durable file with some content, in a store's private folder; it is removed unless it is renamed."""
    private = made_folder(folder / PRIVATE)
    _remove_leftovers(private)
    path, descriptor = _own_file(private)
    try:
        _fill(descriptor, content)
        os.fsync(descriptor)
        if sys.platform == "win32":  # where an open file cannot be renamed
            os.close(descriptor)
            descriptor = -1
        yield path
    finally:
        with suppress(OSError):  # it was renamed, or the next run removes it
            path.unlink()
        if descriptor != -1:
            os.close(descriptor)


def link_once(temporary: Path, path: Path, folder: Path | None = None) -> bool:
    """Give a file its name unless the name is taken, and return whether it has got it.

    Args:
        temporary: The file.
        path: The name.
        folder: The store, whose lock is taken where files cannot be linked; None if it is held.
    """
    try:
        if sys.platform == "win32":
            temporary.rename(path)  # which replaces nothing there
        else:
            os.link(temporary, path)
    except FileExistsError:
        if not path.is_file():
            raise
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _renamed(temporary, path, folder)
    return True


def _renamed(temporary: Path, path: Path, folder: Path | None) -> bool:
    if folder is not None:
        with hold_folder(folder):
            return _renamed(temporary, path, None)
    if path.exists():
        return False
    temporary.rename(path)
    return True


def made_folder(path: Path) -> Path:
    """Make a folder and those above it, durably, unless they are there."""
    if not path.is_dir():
        made_folder(path.parent)
        with suppress(FileExistsError):
            path.mkdir()
            sync_folder(path.parent)
    return path


def sync_folder(path: Path) -> None:
    """Let the operating system write the names in a folder to the disk, where it can be told so."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        write_all(descriptor, content)
        return
    with content.open("rb") as source:
        try:
            clone(source.fileno(), descriptor)
        except OSError:
            with os.fdopen(descriptor, "wb", closefd=False) as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _own_file(private: Path) -> tuple[Path, int]:
    while True:
        path = private / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        if _locked(descriptor) and os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # another run took it for a leftover before it was locked


def _locked(descriptor: int) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # there are no locks: nobody takes it for a leftover
    return True


def _remove_leftovers(private: Path) -> None:
    """Remove the files of runs that are over: those that are not locked, on Windows those of yesterday."""
    for path in private.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):  # it is gone, or of a run that goes on
            if sys.platform == "win32":  # where files are closed before they get their names
                if time.time() - path.stat().st_mtime > _DAY:
                    path.unlink()
                continue
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)
