"""The files of an old layer, believed only as far as their hashes are right."""

import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from venvstacks.archives.found_files import FoundFiles
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.deltas.delta_format import DeltaEntry, DeltaHeader, Stretch
from venvstacks.errors import DeltaError


class OldFiles(FoundFiles):
    """The folder of an old layer; any thread may use it, and nothing is ever written to it."""

    def __init__(self, folder: Path, header: DeltaHeader) -> None:
        super().__init__(folder)
        self._header = header
        self._checks = [threading.Lock() for _ in header.sources]
        self._right = [False for _ in header.sources]

    def take(self, path: str, entry: DeltaEntry, tree: TreeWriter) -> str:
        """Put a file into the new tree, and return its SHA-256."""
        with tree.open(entry) as new:
            self.copy(path, entry, new)
            return new.sha256

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

    def _refuse(self, path: str, problem: str = "its content differs") -> NoReturn:
        raise DeltaError(
            f"The delta cannot be applied: {self.folder}/{path} is not what was published: {problem}.",
            hint=f"fetch the whole archive, {self._header.archive}, and unpack it",
        )
