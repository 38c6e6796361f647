"""The files of an old layer, believed only as far as their hashes are right."""

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from venvstacks.archives.tree_writer import FileWriter
from venvstacks.deltas.delta_format import DeltaEntry, DeltaHeader, Source, Stretch
from venvstacks.errors import DeltaError

_BLOCK = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class OldFiles:
    """The folder of an old layer; any thread may use it, and nothing is ever written to it.

    Args:
        folder: The folder.
        header: Of the delta that is applied.

    Attributes:
        folder: The folder.
    """

    def __init__(self, folder: Path, header: DeltaHeader) -> None:
        self.folder = os.fspath(folder)
        self._header = header
        self._checks = [threading.Lock() for _ in header.sources]
        self._right = [False for _ in header.sources]
        self._clones = sys.platform == "linux"  # what turns out not to be supported is not tried again

    def copy(self, path: str, entry: DeltaEntry, new: FileWriter) -> str:
        """Copy a file; or clone it, where the file system can."""
        with self._open(path, entry.size) as file:
            self._clones = self._clones and new.clone(file)
            if not self._clones:
                for piece in self._pieces(file, path, entry.size):
                    new.write(piece)
        return new.accept(entry.sha256) or self.refuse(path, "its content differs")

    def _content(self, path: str, size: int) -> Iterator[bytes]:
        with self._open(path, size) as file:
            yield from self._pieces(file, path, size)

    def _pieces(self, file: int, path: str, size: int) -> Iterator[bytes]:
        left = size
        while left:
            piece = os.read(file, min(left, _BLOCK))
            if not piece:
                self.refuse(path, "its content differs")
            left -= len(piece)
            yield piece

    def prefix(self, stretches: tuple[Stretch, ...]) -> bytes:
        """Put parts of verified files together."""
        return b"".join(self._stretch(stretch) for stretch in stretches)

    def _stretch(self, stretch: Stretch) -> bytes:
        source = self._header.sources[stretch.source]
        if stretch.size == source.size:
            content = b"".join(self._content(source.path, source.size))
            if hashlib.sha256(content).hexdigest() != source.sha256:
                self.refuse(source.path, "its content differs")
            return content
        self._verify(stretch.source, source)
        with self._open(source.path, source.size) as file:
            os.lseek(file, stretch.start, os.SEEK_SET)
            pieces, left = [], stretch.size
            while left and (piece := os.read(file, left)):
                pieces.append(piece)
                left -= len(piece)
        if left:
            self.refuse(source.path, "its content differs")
        return b"".join(pieces)

    def _verify(self, number: int, source: Source) -> None:
        """Check the hash of a large file, once."""
        with self._checks[number]:
            if self._right[number]:
                return
            digest = hashlib.sha256()
            for piece in self._content(source.path, source.size):
                digest.update(piece)
            if digest.hexdigest() != source.sha256:
                self.refuse(source.path, "its content differs")
            self._right[number] = True

    @contextmanager
    def _open(self, path: str, size: int) -> Iterator[int]:
        place = f"{self.folder}/{path}"
        try:
            file = os.open(place, _READ)
        except (FileNotFoundError, NotADirectoryError):
            self.refuse(path, "it is not there")
        except OSError:
            if os.path.islink(place) or os.path.isdir(place):  # noqa: PTH112, PTH114 - a Path a file is slow
                self.refuse(path, "it is no file")
            raise
        try:
            info = os.fstat(file)
            if not stat.S_ISREG(info.st_mode):
                self.refuse(path, "it is no file")
            if info.st_size != size:
                self.refuse(path, f"it has {info.st_size} bytes, and had {size}")
            yield file
        finally:
            os.close(file)

    def refuse(self, path: str, problem: str) -> NoReturn:
        """Describe that a file is not what the delta was made for."""
        raise DeltaError(
            f"The delta cannot be applied: {self.folder}/{path} is not what was published: {problem}.",
            hint=f"fetch the whole archive, {self._header.archive}, and unpack it",
        )
