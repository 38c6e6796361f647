"""The files of an old layer, believed only as far as their hashes are right."""

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from venvstacks.archives.tree_writer import FileWriter
from venvstacks.deltas.delta_format import DeltaEntry, DeltaHeader, Stretch
from venvstacks.errors import DeltaError

_BLOCK = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class OldFiles:
    """The folder of an old layer; any thread may use it, and nothing is ever written to it."""

    def __init__(self, folder: Path, header: DeltaHeader) -> None:
        self.folder = os.fspath(folder)
        self._header = header
        self._checks = [threading.Lock() for _ in header.sources]
        self._right = [False for _ in header.sources]
        self._clones = sys.platform == "linux"  # what turns out not to be supported is not tried again

    def copy(self, path: str, entry: DeltaEntry, new: FileWriter) -> None:
        """Copy a file, or clone it where the file system can."""
        with self._open(path, entry.size) as file:
            self._clones = self._clones and new.clone(file)
            if not self._clones:
                for piece in self._pieces(file, path, entry.size):
                    new.write(piece)
        if not new.is_right():
            self._refuse(path)

    def prefix(self, stretches: tuple[Stretch, ...]) -> bytes:
        """Put parts of verified files together."""
        return b"".join(piece for stretch in stretches for piece in self._stretch(stretch))

    def _stretch(self, stretch: Stretch) -> list[bytes]:
        number, source = stretch.source, self._header.sources[stretch.source]
        with self._open(source.path, source.size) as file:
            if stretch.size == source.size:
                pieces = list(self._pieces(file, source.path, source.size))
                self._check(pieces, number)
                return pieces
            with self._checks[number]:  # a large file, of which other frames need other parts
                if not self._right[number]:
                    self._check(self._pieces(file, source.path, source.size), number)
                    self._right[number] = True
            os.lseek(file, stretch.start, os.SEEK_SET)
            return list(self._pieces(file, source.path, stretch.size))

    def _check(self, pieces: Iterable[bytes], number: int) -> None:
        """Check the content of a source."""
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        if digest.hexdigest() != self._header.sources[number].sha256:
            self._refuse(self._header.sources[number].path)

    def _pieces(self, file: int, path: str, size: int) -> Iterator[bytes]:
        left = size
        while left:
            piece = os.read(file, min(left, _BLOCK))
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
        raise DeltaError(
            f"The delta cannot be applied: {self.folder}/{path} is not what was published: {problem}.",
            hint=f"fetch the whole archive, {self._header.archive}, and unpack it",
        )
