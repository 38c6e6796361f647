"""Letting the disk hold what was written, before anything refers to it."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def make_durable(folders: Iterable[Path]) -> None:
    """Let the disk hold folders with all that is in them: with one call where there is one, else file by file."""
    sync = _find_syncfs()
    seen: set[int] = set()
    for folder in folders:
        if sync is None:
            _sync_tree(os.fspath(folder))
        elif (device := folder.stat().st_dev) not in seen:
            seen.add(device)
            sync(folder)


def sync_folder(folder: Path) -> None:
    """Let the disk hold the names in a folder, where folders can be opened."""
    if os.name == "posix":
        _sync(os.fspath(folder))


def _find_syncfs() -> Callable[[Path], None] | None:
    if sys.platform != "linux":
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None

    def sync(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if function(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), os.fspath(folder))
        finally:
            os.close(descriptor)

    return sync


def _sync_tree(folder: str) -> None:
    with os.scandir(folder) as found:
        items = list(found)
    for item in items:
        if item.is_dir(follow_symlinks=False) and not item.is_symlink():
            _sync_tree(item.path)
        elif item.is_file(follow_symlinks=False):
            _sync(item.path)
    if os.name == "posix":
        _sync(folder)


def _sync(path: str) -> None:
    access = _READ if os.name == "posix" else os.O_RDWR | getattr(os, "O_BINARY", 0)
    with suppress(PermissionError):  # a read-only file on Windows: the system writes it when it likes
        descriptor = os.open(path, access)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
