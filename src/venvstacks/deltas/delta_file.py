"""Delta files: a start of fixed size, a header, and frames (described in the reference, *Deltas*)."""

import hashlib
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import msgspec

from venvstacks import files
from venvstacks.archives import codecs
from venvstacks.deltas.delta_format import DeltaHeader
from venvstacks.deltas.delta_validation import FETCH_ANOTHER, check_header
from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import DeltaError
from venvstacks.manifests.manifest_format import ArchiveManifest, read_manifests

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT = 1
"""Version of the format; readers refuse newer ones."""

_MAGIC = b"\x89vdelta\n"
_START = struct.Struct("<8sLL32s")  # magic, version, bytes of the header, its SHA-256
_LARGEST_HEADER = 32 << 20
_LARGEST_TEXT = 128 << 20  # bytes of the header's JSON: room for half a million entries
_HEADER_LEVEL = 19
_SMALLEST_WINDOW_LOG = 10
_WINDOW_LOG_MAX = 24  # of the largest content of a frame


def encode_start(header: DeltaHeader) -> bytes:
    """Return what precedes the frames of a delta."""
    packed = codecs.compress_text(msgspec.json.encode(header), _HEADER_LEVEL)
    return _START.pack(_MAGIC, FORMAT, len(packed), bytes.fromhex(files.sha256(packed))) + packed


def compress_frame(content: bytes, prefix: bytes, level: int) -> bytes:
    """Compress a frame, which refers to the prefix as to something that came just before.

    The window is as large as the content: then the codec sees all of the prefix up to the last byte.
    """
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {
        parameter.compression_level: level,
        parameter.window_log: max(_SMALLEST_WINDOW_LOG, (len(content) - 1).bit_length()),
    }
    stream = zstd.ZstdCompressor(options=options, zstd_dict=_dictionary(prefix))
    stream.set_pledged_input_size(len(content))
    return stream.compress(content, zstd.ZstdCompressor.FLUSH_FRAME)


def decompress_frame(packed: bytes, prefix: bytes, size: int) -> bytes:
    """Decompress a frame, without ever making more of it than the ``size`` that it is declared to hold."""
    limits: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
    try:
        stream = zstd.ZstdDecompressor(zstd_dict=_dictionary(prefix), options=limits)
        content = stream.decompress(packed, size + 1)
    except (zstd.ZstdError, EOFError, ValueError) as error:
        raise codecs.CodecError(f"it cannot be decompressed ({error})") from error
    if len(content) != size or not stream.eof or stream.unused_data:
        raise codecs.CodecError(f"it does not hold the {size} bytes that it should")
    return content


def _dictionary(prefix: bytes) -> "tuple[zstd.ZstdDict, int] | None":
    return zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None


class DeltaReader:
    """An open delta; any thread may use it; see :func:`open_delta`."""

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
            return decompress_frame(packed, prefix, frame.content_size)
        except codecs.CodecError as error:
            raise _damaged(self.name, f"frame {number + 1} does not match the header: {error}") from error


def read_header(path: Path, *, check: bool = True) -> tuple[DeltaHeader, int]:
    """Read and validate the header of a delta, and return also where its frames begin, in bytes.

    With ``check``, the whole delta is compared with what manifests beside it say of it.
    """
    with path.open("rb") as file:
        if check:
            _check_described(file, path)
        header, start = _decode(file, path.name)
        check_header(header, os.fstat(file.fileno()).st_size - start, path.name)
    return header, start


@contextmanager
def open_delta(path: Path, header: DeltaHeader, start: int) -> Iterator[DeltaReader]:
    """Open a delta of which :func:`read_header` returned the header, and where the frames begin."""
    with path.open("rb") as file:
        yield DeltaReader(file, path.name, header, start)


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


def _decode(file: BinaryIO, name: str) -> tuple[DeltaHeader, int]:
    """Read and decode the header, which is not validated; return also where the frames begin."""
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
        raise _damaged(name, f"its header is declared to have {size} bytes")
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
