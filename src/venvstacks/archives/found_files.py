"""Files of a folder that anyone may have changed, believed only as far as their hashes are right."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from venvstacks.archives.index import IndexEntry
from venvstacks.archives.tree_writer import FileWriter
from venvstacks.errors import ArchiveError

_BLOCK = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class FoundFiles:
    """The files of a folder; any thread may use it, and nothing is ever written to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.fspath(folder)
        self._clones = sys.platform == "linux"  # what turns out not to be supported is not tried again

    def copy(self, path: str, entry: IndexEntry, new: FileWriter) -> None:
        """Copy a file, or clone it where the file system can."""
        with self._open(path, entry.size) as file:
            self._clones = self._clones and new.clone(file)
            if not self._clones:
                for piece in self._pieces(file, path, entry.size):
                    new.write(piece)
        if not new.is_right():
            self._refuse(path)

    def _pieces(self, file: int, path: str, size: int) -> Iterator[bytes]:
        left = size
        while left:
            try:
                piece = os.read(file, min(left, _BLOCK))
            except OSError as error:
                self._refuse(path, f"it cannot be read ({error.strerror})")
            if not piece:
                self._refuse(path)
            left -= len(piece)
            yield piece

    @contextmanager
    def _open(self, path: str, size: int) -> Iterator[int]:
        place = f"{self.folder}/{path}"
        try:
            file = os.open(place, _READ)
        except (FileNotFoundError, NotADirectoryError):
            self._refuse(path, "it is not there")
        except PermissionError as error:
            self._refuse(path, f"it cannot be read ({error.strerror})")
        except OSError:
            if os.path.islink(place) or os.path.isdir(place):  # noqa: PTH112, PTH114 - a Path a file is slow
                self._refuse(path, "it is no file")
            raise
        try:
            info = os.fstat(file)
            if not stat.S_ISREG(info.st_mode):
                self._refuse(path, "it is no file")
            if info.st_size != size:
                self._refuse(path, f"it has {info.st_size} bytes, and had {size}")
            yield file
        finally:
            os.close(file)

    def _refuse(self, path: str, problem: str = "its content differs") -> NoReturn:
        raise ArchiveError(f"{self.folder}/{path} is not what was published: {problem}.")
