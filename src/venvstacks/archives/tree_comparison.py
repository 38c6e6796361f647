"""Whether a folder is what unpacking an archive makes."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.entries import BYTECODE_FOLDER, EntryKind, batches

_BATCH_FILES = 64
_BATCH_SIZE = 8 << 20
_KINDS = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.FOLDER, stat.S_IFLNK: EntryKind.SYMLINK}


def tree_difference(folder: Path, index: ArchiveIndex, pool: FramePool) -> str | None:
    """Find where a folder differs from what an archive holds, all contents read.

    Bytecode that Python has written meanwhile is no difference.
    """
    known = {entry.path for entry in index.entries}
    if not folder.is_dir() or folder.is_symlink():
        return "is not a folder"
    for path in _paths(os.fspath(folder), ""):
        if path not in known:
            return f"holds {path!r}, which the archive does not"
    compared = batches(index.entries, _BATCH_FILES, _BATCH_SIZE)
    found = pool.in_order(compared, lambda batch: _first_difference(folder, batch, index.mtime))
    return next(filter(None, found), None)


def _paths(folder: str, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        items = list(found)
    for item in items:
        if item.name == BYTECODE_FOLDER:
            continue
        yield prefix + item.name
        if item.is_dir(follow_symlinks=False):
            yield from _paths(item.path, f"{prefix}{item.name}/")


def _first_difference(folder: Path, entries: Sequence[IndexEntry], mtime: int) -> str | None:
    for entry in entries:
        path = f"{folder}/{entry.path}"
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            return f"lacks {entry.path!r}"
        if not _is_same(entry, path, info, mtime):
            return f"holds another {entry.path!r}"
    return None


def _is_same(entry: IndexEntry, path: str, info: os.stat_result, mtime: int) -> bool:
    if _KINDS.get(stat.S_IFMT(info.st_mode)) is not entry.type:
        return False
    if entry.type is EntryKind.SYMLINK:
        return os.readlink(path).replace(os.sep, "/") == entry.target  # noqa: PTH115 - a Path an entry is slow
    if os.name == "posix" and stat.S_IMODE(info.st_mode) != entry.mode:
        return False
    if entry.type is EntryKind.FOLDER:
        return True
    if (info.st_size, int(info.st_mtime)) != (entry.size, mtime):
        return False
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
