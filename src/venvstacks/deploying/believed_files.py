"""Files of layers that are in their places, shared with other layers."""

import errno
import os
import stat
import sys
from pathlib import Path

from venvstacks.archives.index import IndexEntry
from venvstacks.archives.tree_writer import FileWriter, TreeWriter
from venvstacks.errors import ArchiveError

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class BelievedFiles:
    """The files of a layer that is in its place; any thread may use it, and nothing is ever written to it.

    A file that has the size that it should have, and no later time, is believed to be right: nothing ever writes
    to a layer, and to read all of them would take more time than to fetch what is new. What reads all of them is
    ``venvstacks deployment verify``. An earlier time is that of an older layer which shares the file.

    Args:
        folder: The layer.
        mtime: The time of its files, seconds since 1970.
    """

    def __init__(self, folder: Path, mtime: int) -> None:
        self._folder = os.fspath(folder)
        self._mtime = mtime
        self._clones = sys.platform == "linux"  # what turns out not to work is not tried again
        self._links = True

    def take(self, path: str, entry: IndexEntry, mtime: int, tree: TreeWriter) -> None:
        """Put a file into a tree: as a clone, a hard link, or a copy, whatever is possible first.

        Args:
            path: Of the file in this layer.
            entry: What it is in the tree.
            mtime: The latest time that it may have there, seconds since 1970; with a later one it is not linked.
            tree: The tree.

        Raises:
            ArchiveError: It was changed.
        """
        place = f"{self._folder}/{path}"
        try:
            descriptor = os.open(place, _READ)
        except OSError as error:
            raise self._refusal(place, error.strerror or "it cannot be read") from error
        try:
            info = os.fstat(descriptor)
            self._check(info, entry, place)
            same = int(info.st_mtime) <= mtime and (os.name != "posix" or stat.S_IMODE(info.st_mode) == entry.mode)
            if not self._clones and same and self._link(entry, place, tree):
                return
            with tree.open(entry, verified=True) as new:
                if not self._clone(descriptor, new):
                    new.take(descriptor)
        finally:
            os.close(descriptor)

    def _check(self, info: os.stat_result, entry: IndexEntry, place: str) -> None:
        if not stat.S_ISREG(info.st_mode):
            raise self._refusal(place, "it is no file")
        if info.st_size != entry.size:
            raise self._refusal(place, f"it has {info.st_size} bytes, and had {entry.size}")
        if int(info.st_mtime) > self._mtime:
            raise self._refusal(place, "it was written to")

    def _link(self, entry: IndexEntry, place: str, tree: TreeWriter) -> bool:
        if not self._links:
            return False
        try:
            tree.link(entry, place)
        except OSError as error:
            if error.errno in _FULL:
                raise
            self._links = error.errno == errno.EMLINK  # there are too many links to this file
            return False
        return True

    def _clone(self, descriptor: int, new: FileWriter) -> bool:
        if self._clones:
            self._clones = new.clone(descriptor)
        return self._clones

    @staticmethod
    def _refusal(place: str, problem: str) -> ArchiveError:
        return ArchiveError(f"{place} is not what was published: {problem}.")
