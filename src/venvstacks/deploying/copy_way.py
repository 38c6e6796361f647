"""A layer of equal content that is there: its files are shared, as clones where there are any, else as links."""

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from venvstacks.archives.found_files import FoundFiles
from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.archives.staging import new_tree
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.deploying.fetch_plan import Copy, PlannedLayer
from venvstacks.deploying.fetching import Fetching
from venvstacks.entries import EntryKind, batches
from venvstacks.errors import ArchiveError

_BATCH_FILES = 256
_BATCH_SIZE = 1 << 30
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def copy_layer(
    planned: PlannedLayer, option: Copy, destination: Path, fetching: Fetching, progress: Callable[[int], None]
) -> None:
    """Make the folder of a layer from one of equal content."""
    copy_tree(option.source.place.path, planned.known.index, destination, fetching.pool, progress)


def copy_tree(
    source: Path, index: ArchiveIndex, destination: Path, pool: FramePool, progress: Callable[[int], None]
) -> None:
    """Make a folder of another that has the same content.

    A file of the right size, mode and time is believed to be right, as nothing ever writes to a layer; what reads
    all of it is ``venvstacks deployment verify``.

    Raises:
        ArchiveError: A file was changed.
    """
    found = [entry for entry in index.entries if entry.type is EntryKind.FILE]
    with new_tree(destination, index.entries, index.mtime, f"The layer {source}") as tree:
        sharing = _Sharing(source, tree, index.mtime, progress)
        pool.run_all([partial(sharing.take, batch) for batch in batches(found, _BATCH_FILES, _BATCH_SIZE)])


class _Sharing:
    """Sharing the files of one layer, which any thread can do; what turns out not to work is not tried again."""

    def __init__(self, source: Path, tree: TreeWriter, mtime: int, progress: Callable[[int], None]) -> None:
        self._source = os.fspath(source)
        self._tree = tree
        self._mtime = mtime
        self._progress = progress
        self._copies = FoundFiles(source)
        self._methods = [tree.clone, tree.link] if sys.platform == "linux" else [tree.link]

    def take(self, entries: Sequence[IndexEntry]) -> None:
        """Take some files."""
        for entry in entries:
            path = f"{self._source}/{entry.path}"
            self._check(entry, path)
            if not any(self._try(method, entry, path) for method in tuple(self._methods)):
                with self._tree.open(entry) as file:
                    self._copies.copy(entry.path, entry, file)
            self._progress(entry.size)

    def _try(self, method: Callable[[IndexEntry, str], None], entry: IndexEntry, path: str) -> bool:
        try:
            method(entry, path)
        except OSError as error:
            if error.errno in _FULL:
                raise
            if error.errno != errno.EMLINK and method in self._methods:  # else this file has too many links
                self._methods.remove(method)
            return False
        return True

    def _check(self, entry: IndexEntry, path: str) -> None:
        try:
            info = os.lstat(path)
        except OSError as error:
            raise self._refusal(path, error.strerror or "it cannot be looked at") from error
        if not stat.S_ISREG(info.st_mode):
            raise self._refusal(path, "it is no file")
        if (info.st_size, int(info.st_mtime)) != (entry.size, self._mtime):
            raise self._refusal(path, "it was changed")
        if os.name == "posix" and stat.S_IMODE(info.st_mode) != entry.mode:
            raise self._refusal(path, "its permissions were changed")

    @staticmethod
    def _refusal(path: str, problem: str) -> ArchiveError:
        return ArchiveError(f"{path} is not what was published: {problem}.")
