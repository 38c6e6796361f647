"""Delta files: a start of fixed size, a header, and frames (described in the reference, *Deltas*)."""

import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import msgspec

from venvstacks import files
from venvstacks.archives import codecs
from venvstacks.deltas import prefixes
from venvstacks.deltas.delta_format import DeltaHeader
from venvstacks.deltas.delta_validation import FETCH_ANOTHER, check_header
from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import DeltaError
from venvstacks.manifests.manifest_format import ArchiveManifest, read_manifests

FORMAT = 1
"""Version of the format; readers refuse newer ones."""

_MAGIC = b"\x89vdelta\n"
_START = struct.Struct("<8sLL32s")  # magic, version, bytes of the header, its SHA-256
_LARGEST_HEADER = 32 << 20
_LARGEST_TEXT = 128 << 20  # bytes of the header's JSON: room for half a million entries
_HEADER_LEVEL = 19


def encode_start(header: DeltaHeader) -> bytes:
    """Return what stands before the frames of a delta."""
    packed = codecs.compress_text(msgspec.json.encode(header), _HEADER_LEVEL)
    return _START.pack(_MAGIC, FORMAT, len(packed), bytes.fromhex(files.sha256(packed))) + packed


class DeltaReader:
    """An open delta; any thread may use it.

    Args:
        file: The delta.
        name: How messages name it.
        header: Its header, checked.
        start: Where its frames begin, in bytes.
    """

    def __init__(self, file: BinaryIO, name: str, header: DeltaHeader, start: int) -> None:
        self.header = header
        self.name = name
        self._file = file
        self._guard = threading.Lock()
        self._places = [start]
        for frame in header.frames:
            self._places.append(self._places[-1] + frame.size)

    def frame(self, number: int, prefix: bytes) -> bytes:
        """Read, verify and decompress a frame."""
        frame = self.header.frames[number]
        with self._guard:
            self._file.seek(self._places[number])
            packed = self._file.read(frame.size)
        if files.sha256(packed) != frame.sha256:
            raise _damaged(self.name, f"frame {number + 1} is not the one that the header describes")
        try:
            return prefixes.decompress(packed, prefix, frame.content_size)
        except prefixes.PrefixError as error:
            raise _damaged(self.name, f"frame {number + 1} is not what the header says: {error}") from error


def read_header(path: Path, *, check: bool = True) -> tuple[DeltaHeader, int]:
    """Read and check the header of a delta."""
    with path.open("rb") as file:
        if check:
            _check_described(file, path)
        header, start = _decode(file, path.name)
        check_header(header, os.fstat(file.fileno()).st_size - start, path.name)
    return header, start


def _check_described(file: BufferedReader, path: Path) -> None:
    """Check that a delta is one that a manifest beside it describes, if any does."""
    described = [
        (place, delta)
        for place, manifest in read_manifests(path.parent, ArchiveManifest)
        for delta in manifest.archive_deltas or ()
        if delta.name == path.name
    ]
    if not described:
        return
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
    if all((delta.size, delta.hashes.get("sha256")) != (size, digest) for _, delta in described):
        raise DeltaError(
            f"The delta {path.name} is not the one that {described[0][0]} describes: it was damaged or exchanged.",
            hint=FETCH_ANOTHER,
        )


@contextmanager
def opened(path: Path, header: DeltaHeader, start: int) -> Iterator[DeltaReader]:
    """Open a delta whose header was read by :func:`read_header`."""
    with path.open("rb") as file:
        yield DeltaReader(file, path.name, header, start)


def _decode(file: BinaryIO, name: str) -> tuple[DeltaHeader, int]:
    """Read and decode the header; whether it makes sense is not looked at."""
    file.seek(0)
    start = file.read(_START.size)
    if len(start) < _START.size or not start.startswith(_MAGIC):
        raise DeltaError(
            f"{name} is not a delta of a venvstacks layer.", hint="deltas have names that end in .vdelta"
        )
    _, version, size, digest = _START.unpack(start)
    if version != FORMAT:
        raise DeltaError(
            f"The delta {name} has format {version}, and this venvstacks knows format {FORMAT}.",
            hint="use a newer version of venvstacks, or fetch and unpack the whole archive",
        )
    if size > _LARGEST_HEADER:
        raise _damaged(name, f"its header is said to have {size} bytes")
    packed = file.read(size)
    if files.sha256(packed) != digest.hex():
        raise _damaged(name, "its header is not what it was")
    try:
        text = codecs.decompress_text(packed, _LARGEST_TEXT)
        header = parse_json(text, DeltaHeader)
    except (DocumentError, codecs.CodecError) as error:
        raise _damaged(name, str(error)) from error
    return header, _START.size + size


def _damaged(name: str, problem: str) -> DeltaError:
    return DeltaError(f"The delta {name} is damaged: {problem}.", hint=FETCH_ANOTHER)
