"""One-stream compressors whose output depends on their input and level alone."""

import lzma
import struct
import sys
import zlib
from typing import Protocol

from venvstacks.archives.formats import ArchiveFormat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_SIZE = 1 << 20
"""Bytes that a compressor is fed at once. Codecs promise nothing about other divisions, so it is fixed."""


class Compressor(Protocol):
    """What the compressors of the standard library have in common."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some input, and give the output that is ready."""

    def flush(self) -> bytes:
        """End the stream, and give the rest of its output."""


class _Gzip:
    """A gzip member without time and file name; zlib's own would name the host's operating system."""

    def __init__(self, level: int) -> None:
        self._pending = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
        self._deflate = raw_deflate(level)
        self._crc = 0
        self._size = 0

    def compress(self, data: bytes, /) -> bytes:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        output = self._pending + self._deflate.compress(data)
        self._pending = b""
        return output

    def flush(self) -> bytes:
        return self._pending + self._deflate.flush() + struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF)


def raw_deflate(level: int) -> Compressor:
    """Give a compressor for a bare deflate stream, as gzip and zip hold it."""
    return zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)


def compressor(format: ArchiveFormat, level: int) -> Compressor:  # noqa: A002 - the word users know
    """Start a compressed stream.

    Args:
        format: A tar format.
        level: One of its levels.
    """
    match format:
        case ArchiveFormat.TAR_XZ:
            return lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC64, level)
        case ArchiveFormat.TAR_GZ:
            return _Gzip(level)
        case _:
            parameter = zstd.CompressionParameter
            options: dict[int, int] = {
                parameter.compression_level: level,
                parameter.checksum_flag: 1,
                parameter.content_size_flag: 0,  # else there or not, by how the input ended
            }
            return zstd.ZstdCompressor(options=options)


def codec_identity(format: ArchiveFormat) -> str:  # noqa: A002 - the word users know
    """Name the library that compresses, with its version where it tells: a new one may give other bytes."""
    match format:
        case ArchiveFormat.TAR_ZST:
            return f"zstd {zstd.zstd_version}"
        case ArchiveFormat.TAR_XZ:
            return "xz"  # liblzma's version cannot be asked for from Python
        case _:
            return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
