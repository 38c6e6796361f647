"""Frames of the four codecs: compressed the same way always, and decompressed within bounds."""

import hashlib
import lzma
import struct
import sys
import zlib
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import cache
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_SIZE = 1 << 20
"""Bytes that a compressor is fed at once. Codecs promise nothing about other divisions, so it is fixed."""

LARGEST_WINDOW_LOG = 27
"""The largest window that ``zstd -d`` accepts without being told to, as the logarithm of its bytes to base 2."""

_XZ_MEMORY = 160 << 20  # what decoding a preset's largest dictionary takes, and some more
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no time, no name; zlib's own names the host's system
_FLUSHED = b"\x00\x00\xff\xff"  # ends a deflate stream that others follow


class Codec(StrEnum):
    """How frames are compressed."""

    ZSTD = "zstd"
    XZ = "xz"
    GZIP = "gzip"
    DEFLATE = "deflate"


class CodecError(ValueError):
    """Compressed data that is damaged, or not what it was said to be."""


class Compressor(Protocol):
    """What the compressors of the standard library have in common."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some input, and give the output that is ready."""

    def flush(self) -> bytes:
        """End the stream, and give the rest of its output."""


class _Gzip:
    """A gzip member without time and file name."""

    def __init__(self, level: int) -> None:
        self._pending = _GZIP_HEADER
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
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


class _Deflate:
    """A bare deflate stream, or a part of one that others follow."""

    def __init__(self, level: int, *, last: bool) -> None:
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._end = zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH

    def compress(self, data: bytes, /) -> bytes:
        return self._deflate.compress(data)

    def flush(self) -> bytes:
        return self._deflate.flush(self._end)


def compressor(
    codec: Codec, level: int, size: int, *, window_log: int | None = None, x86: bool = False, last: bool = True
) -> Compressor:
    """Start a frame.

    Args:
        codec: How to compress.
        level: One of the codec's levels.
        size: Of all that the compressor will be given, in bytes.
        window_log: How far back zstd looks for what it has seen, as the logarithm of the bytes to base 2;
            None for what the level has.
        x86: Whether the content is code for x86 processors, which xz can make easier to compress.
        last: Whether a deflate stream ends here.
    """
    match codec:
        case Codec.XZ:
            filters: list[dict[str, int]] = [{"id": lzma.FILTER_LZMA2, "preset": level}]
            if x86:
                filters.insert(0, {"id": lzma.FILTER_X86})
            return lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters)
        case Codec.GZIP:
            return _Gzip(level)
        case Codec.DEFLATE:
            return _Deflate(level, last=last)
        case Codec.ZSTD:
            parameter = zstd.CompressionParameter
            options: dict[int, int] = {parameter.compression_level: level, parameter.checksum_flag: 1}
            if window_log is not None:
                options[parameter.window_log] = window_log
            stream = zstd.ZstdCompressor(options=options)
            stream.set_pledged_input_size(size)
            return stream


def compress(stream: Compressor, pieces: Iterable[bytes | memoryview], check: Callable[[], None]) -> bytes:
    """Compress a frame, fed in blocks of one size however its content is divided.

    Args:
        stream: A new compressor.
        pieces: The content.
        check: Called with each block; calls the work off by raising.
    """
    output = []
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= BLOCK_SIZE:
            check()
            output.append(stream.compress(bytes(waiting[:BLOCK_SIZE])))
            del waiting[:BLOCK_SIZE]
    check()
    output += [stream.compress(bytes(waiting)), stream.flush()]
    return b"".join(output)


def decompress(codec: Codec, data: bytes, size: int) -> bytes:
    """Decompress a frame, without ever making more of it than was said to be in it.

    Args:
        codec: How it was compressed.
        data: The frame, all of it and nothing else. Of a deflate stream, it may be a part that others follow.
        size: Of its content, in bytes.

    Raises:
        CodecError: It is damaged, or does not have this size.
    """
    try:
        match codec:
            case Codec.ZSTD:
                content, ended = _decompress_zstd(data, size)
            case Codec.XZ:
                xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)
                content = xz.decompress(data, size + 1)
                ended = xz.eof and not xz.unused_data
            case _:
                bits = zlib.MAX_WBITS + 16 if codec is Codec.GZIP else -zlib.MAX_WBITS
                inflate = zlib.decompressobj(bits)
                content = inflate.decompress(data, size + 1)
                ended = inflate.eof and not inflate.unused_data
                if codec is Codec.DEFLATE and not inflate.eof:
                    ended = not inflate.unconsumed_tail and data.endswith(_FLUSHED)
    except (zstd.ZstdError, lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
        raise CodecError(f"it cannot be decompressed ({error})") from error
    if len(content) != size:
        kind = "more" if len(content) > size else "less"
        raise CodecError(f"it holds {kind} than the {size} bytes that it should")
    if not ended:
        raise CodecError("it does not end where it should")
    return content


def _decompress_zstd(data: bytes, size: int) -> tuple[bytes, bool]:
    stream = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG})
    content = stream.decompress(data, size + 1)
    return content, stream.eof and not stream.unused_data


def compress_text(text: bytes, level: int) -> bytes:
    """Compress a text as one zstd frame with a checksum."""
    stream = compressor(Codec.ZSTD, level, len(text))
    return compress(stream, [text], lambda: None)


def decompress_text(data: bytes, largest: int) -> bytes:
    """Decompress a zstd frame that holds a text.

    Args:
        data: The frame, all of it and nothing else.
        largest: The most bytes that it may hold.

    Raises:
        CodecError: It is damaged or too large.
    """
    try:
        content, ended = _decompress_zstd(data, largest)
    except (zstd.ZstdError, EOFError) as error:
        raise CodecError(f"it cannot be decompressed ({error})") from error
    if not ended:
        raise CodecError("it is too large" if len(content) > largest else "it does not end where it should")
    return content


def codec_identity(codec: Codec) -> str:
    """Name the library that compresses, with its version where it tells: a new one may give other bytes.

    The version of liblzma cannot be asked for from Python; what it makes of a sample stands for it.
    """
    match codec:
        case Codec.ZSTD:
            return f"zstd {zstd.zstd_version}"
        case Codec.XZ:
            return f"xz {_xz_sample()}"
        case _:
            return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"


@cache
def _xz_sample() -> str:
    blocks = (hashlib.sha256(b"%d" % (number * number % 251)).digest()[: number % 32] for number in range(1500))
    sample = b"".join(blocks)
    packed = compress(compressor(Codec.XZ, 6, len(sample), x86=True), [sample], lambda: None)
    return hashlib.sha256(packed).hexdigest()[:16]


def is_x86_code(head: bytes) -> bool:
    """Tell whether a file is native code for x86 processors, of 32 or 64 bits.

    Args:
        head: The first 4 KiB of its content, or all of it.
    """
    if head.startswith((b"\x7fELF\x01\x01", b"\x7fELF\x02\x01")):
        return head[18:20] in (b"\x03\x00", b"\x3e\x00")
    if head.startswith((b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")):
        return head[4:7] == b"\x07\x00\x00"
    if head.startswith(b"MZ") and len(head) >= 64:  # noqa: PLR2004 - the size of its first header
        (place,) = struct.unpack_from("<L", head, 60)
        return head[place : place + 6] in (b"PE\x00\x00\x4c\x01", b"PE\x00\x00\x64\x86")
    return False
