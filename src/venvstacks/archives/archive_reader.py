"""Reading an archive by its index: any file or frame of it, and nothing that the index does not vouch for."""

import hashlib
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec import UNSET

from venvstacks import files
from venvstacks.archives.codecs import CodecError, decompress_pieces
from venvstacks.archives.frame_layout import FrameParts, Slice, part_size
from venvstacks.archives.index import FETCH_AGAIN, LARGEST_INDEX, ArchiveIndex, IndexEntry, decode_index
from venvstacks.archives.index_validation import check_index
from venvstacks.errors import ArchiveError
from venvstacks.manifests.manifest_format import ArchiveManifest, index_beside, read_manifests

CheckedIndex = tuple[ArchiveIndex, tuple[FrameParts[IndexEntry], ...]]
"""An index, and what each frame of its archive holds."""

_KEPT_FRAMES = 2


class Source(Protocol):
    """Where the bytes of an archive come from; any thread may use it."""

    def read(self, offset: int, size: int) -> bytes:
        """Return so many bytes; fewer where they end."""
        ...


class FileSource:
    """The bytes of an open file, whose position may change."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._guard = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        """Return so many bytes; fewer where the file ends."""
        if not hasattr(os, "pread"):
            with self._guard:
                self._file.seek(offset)
                return self._file.read(size)
        pieces, missing = [], size
        while missing and (piece := os.pread(self._file.fileno(), missing, offset + size - missing)):
            pieces.append(piece)
            missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class ArchiveReader:
    """An open archive whose index was checked; any thread may use it."""

    def __init__(
        self, source: Source, name: str, index: ArchiveIndex, contents: tuple[FrameParts[IndexEntry], ...]
    ) -> None:
        self.index = index
        self.contents = contents
        self.name = name
        self._source = source
        # Through a proxy: a reader to which its own cache refers would stay, with frames and index, after its use.
        self._kept_frame = lru_cache(_KEPT_FRAMES)(partial(ArchiveReader.frame, weakref.proxy(self)))

    def frame(self, number: int) -> bytes:
        """Read, verify and decompress a frame."""
        content = b"".join(self._decompress(number))
        place = 0
        for part in self.contents[number]:
            if isinstance(part, bytes):
                self._compare(content[place : place + len(part)], part, number)
            place += part_size(part)
        return content

    def walk(self, number: int) -> Iterator[tuple[Slice[IndexEntry], memoryview]]:
        """Read, verify and decompress a frame, and return the contents in it while that is done."""
        pieces = self._decompress(number)
        waiting = memoryview(b"")
        for part in self.contents[number]:
            place, size = 0, part_size(part)
            while place < size:
                waiting = waiting or memoryview(next(pieces))
                piece, waiting = waiting[: size - place], waiting[size - place :]
                if isinstance(part, bytes):
                    self._compare(piece, part[place : place + len(piece)], number)
                else:
                    yield part, piece
                place += len(piece)
        for _ in pieces:  # there is none, but this is where the frame's own end is looked at
            raise self._error(f"frame {number} contains more than the index declares")

    def _decompress(self, number: int) -> Iterator[bytes]:
        frame = self.index.frames[number]
        packed = self._source.read(frame.offset, frame.size)
        if len(packed) != frame.size:
            raise self._error("it ends too early")
        if files.sha256(packed) != frame.sha256:
            raise self._error(f"frame {number} is not the one that the index describes")
        try:
            yield from decompress_pieces(self.index.codec, packed, frame.content_size)
        except CodecError as error:
            raise self._error(f"frame {number} does not match the index: {error}") from error

    def _compare(self, found: bytes | memoryview, expected: bytes, number: int) -> None:
        if found != expected:
            raise self._error(f"a header in frame {number} contradicts the index")

    def content(self, entry: IndexEntry) -> Iterator[bytes]:
        """Return a file's content in pieces, none larger than a frame.

        The last piece is returned only if the whole content has the hash in the index.
        """
        digest = hashlib.sha256()
        waiting = b""
        for number, start, size in self.index.pieces(entry):
            for piece in self._slice(number, start, size):
                if waiting:
                    yield waiting
                digest.update(piece)
                waiting = bytes(piece)
        if digest.hexdigest() != entry.sha256:
            raise self._error(f"the content of {entry.path!r} does not match the index")
        if waiting:
            yield waiting

    def _slice(self, number: int, start: int, size: int) -> Iterator[bytes | memoryview]:
        """Return a part of a frame's content; frames of which other parts will be read as well are kept."""
        if sum(isinstance(part, Slice) for part in self.contents[number]) == 1:
            yield from (piece for _, piece in self.walk(number))
        else:
            yield self._kept_frame(number)[start : start + size]

    def _error(self, problem: str) -> ArchiveError:
        return ArchiveError(f"The archive {self.name} is damaged: {problem}.", hint=FETCH_AGAIN)


def read_index(path: Path) -> CheckedIndex:
    """Read and check the index beside an archive.

    It is verified against the manifest beside the archive, if there is one. What each frame holds is returned too.
    """
    place = index_beside(path)
    try:
        with place.open("rb") as file:
            data = file.read(LARGEST_INDEX + 1)
    except FileNotFoundError:
        if not path.is_file():
            raise ArchiveError(
                f"There is no archive {path}.", hint="name files that `venvstacks publish` has written"
            ) from None
        raise ArchiveError(
            f"The archive {path.name} has no index: {place} is not there.",
            hint="fetch the index as well, or open the archive with tar or unzip, which do not verify it",
        ) from None
    if len(data) > LARGEST_INDEX:
        raise ArchiveError(f"The index {place.name} is too large to be read.", hint=FETCH_AGAIN)
    _check_described(data, place, path)
    index = decode_index(data, place.name)
    return index, check_index(index, place.name)


def _check_described(data: bytes, index: Path, archive: Path) -> None:
    """Check that an index is one that a manifest beside the archive describes, if any does."""
    described: dict[Path, tuple[object, ...]] = {}
    for path, manifest in read_manifests(archive.parent, ArchiveManifest):
        if manifest.archive_name == archive.name and manifest.archive_index_name is not UNSET:
            sha256 = (manifest.archive_index_hashes or {}).get("sha256")
            described[path] = manifest.archive_index_name, manifest.archive_index_size, sha256
    if described and (index.name, len(data), files.sha256(data)) not in described.values():
        first = next(iter(described))
        raise ArchiveError(
            f"The index {index.name} is not the one that {first} describes: it was damaged or exchanged.",
            hint=FETCH_AGAIN,
        )


@contextmanager
def open_archive(path: Path, read: CheckedIndex | None = None) -> Iterator[ArchiveReader]:
    """Open an archive for reading; the index beside it is read unless it was read before."""
    index, contents = read or read_index(path)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != index.archive_size:
            raise ArchiveError(
                f"The archive {path.name} has {size} bytes, and its index says {index.archive_size}.",
                hint=FETCH_AGAIN,
            )
        yield ArchiveReader(FileSource(file), path.name, index, contents)
