"""Frames of the four codecs: compressed the same way always, and decompressed within bounds."""

import hashlib
import lzma
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import cache, partial

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_SIZE = 1 << 20
"""Bytes that a compressor is fed at once. Codecs promise nothing about other divisions, so it is fixed."""

LARGEST_WINDOW_LOG = 27
"""The largest window that ``zstd -d`` accepts without an option, as the logarithm of its bytes to base 2."""

_XZ_MEMORY = 160 << 20  # what decoding a preset's largest dictionary takes, and some more
_XZ_DICTIONARIES = tuple(1 << log for log in (18, 20, 21, 22, 22, 23, 23, 24, 25, 26))  # bytes, by level
_SMALLEST_XZ_DICTIONARY = 1 << 16
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no time, no name; zlib's own names the host's system
_INPUT_SIZE = 1 << 16  # bytes that zlib gets at once; it returns a copy of what it does not use yet
_FLUSHED = b"\x00\x00\xff\xff"  # ends a deflate stream that others follow


class Codec(StrEnum):
    """How frames are compressed."""

    ZSTD = "zstd"
    XZ = "xz"
    GZIP = "gzip"
    DEFLATE = "deflate"


class CodecError(ValueError):
    """Compressed data that is damaged, or not what it was said to be."""


def compress(
    codec: Codec,
    level: int,
    size: int,
    pieces: Iterable[bytes | memoryview],
    *,
    window_log: int | None = None,
    last: bool = True,
    check: Callable[[], None] = lambda: None,
) -> bytes:
    """Compress a frame that holds so many bytes; it may be the part of a deflate stream that is not the last."""
    feed, end = _compressor(codec, level, size, window_log=window_log, last=last)
    output = []
    crc = 0
    for block in _blocks(pieces):
        check()
        output.append(feed(block))
        if codec is Codec.GZIP:
            crc = zlib.crc32(block, crc)
    output.append(end())
    if codec is Codec.GZIP:
        output = [_GZIP_HEADER, *output, struct.pack("<LL", crc, size & 0xFFFFFFFF)]
    return b"".join(output)


def _compressor(
    codec: Codec, level: int, size: int, *, window_log: int | None, last: bool
) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    """Start a frame: what takes its content, and what ends it."""
    match codec:
        case Codec.XZ:
            # the level's own dictionary, but not more of it than there is content: that takes time and memory
            own = _XZ_DICTIONARIES[level]
            needed = max(1 << (size - 1).bit_length() if size else 0, _SMALLEST_XZ_DICTIONARY)
            filters = [{"id": lzma.FILTER_LZMA2, "preset": level, "dict_size": min(own, needed)}]
            xz = lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters)
            return xz.compress, xz.flush
        case Codec.ZSTD:
            parameter = zstd.CompressionParameter
            options: dict[int, int] = {parameter.compression_level: level, parameter.checksum_flag: 1}
            if window_log is not None:
                options[parameter.window_log] = window_log
            stream = zstd.ZstdCompressor(options=options)
            stream.set_pledged_input_size(size)
            return stream.compress, stream.flush
        case Codec.GZIP | Codec.DEFLATE:
            deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
            goes_on = codec is Codec.DEFLATE and not last
            return deflate.compress, partial(deflate.flush, zlib.Z_SYNC_FLUSH if goes_on else zlib.Z_FINISH)


def _blocks(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Divide a content into blocks of one size, however it was divided before."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= BLOCK_SIZE:
            yield bytes(waiting[:BLOCK_SIZE])
            del waiting[:BLOCK_SIZE]
    yield bytes(waiting)


class _Inflating:
    """Zlib with the interface of the other decompressors; a deflate stream may end where others follow."""

    def __init__(self, codec: Codec) -> None:
        self._partial = codec is Codec.DEFLATE
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS if self._partial else zlib.MAX_WBITS + 16)
        self._input = memoryview(b"")
        self._flushed = False
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inflate.eof or (self._flushed and self.needs_input)

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data + bytes(self._input) if self._inflate.eof else b""

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        if data:
            self._input = memoryview(data)
            self._flushed = self._partial and data.endswith(_FLUSHED)
        output = b""
        while not output and not self._inflate.eof:
            given = self._inflate.unconsumed_tail or self._input[:_INPUT_SIZE]
            if not self._inflate.unconsumed_tail:
                self._input = self._input[_INPUT_SIZE:]
            output = self._inflate.decompress(given, max_length)
            if not (output or self._inflate.unconsumed_tail or self._input):
                break
        self.needs_input = not (output or self._inflate.eof)
        return output


def _decompressor(codec: Codec) -> zstd.ZstdDecompressor | lzma.LZMADecompressor | _Inflating:
    match codec:
        case Codec.ZSTD:
            parameter = zstd.DecompressionParameter.window_log_max
            return zstd.ZstdDecompressor(options={parameter: LARGEST_WINDOW_LOG})
        case Codec.XZ:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)
        case _:
            return _Inflating(codec)


def decompress_pieces(codec: Codec, data: bytes, size: int) -> Iterator[bytes]:
    """Decompress a frame piece by piece, without ever making more of it than was said to be in it.

    Pieces are small enough to stay in a processor's cache, which halves the time.
    """
    stream = _decompressor(codec)
    left = size
    while not stream.eof:
        try:
            piece = stream.decompress(data, min(left + 1, BLOCK_SIZE))
        except (zstd.ZstdError, lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
            raise CodecError(f"it cannot be decompressed ({error})") from error
        data = b""
        left -= len(piece)
        if left < 0:
            raise CodecError(f"it holds more than the {size} bytes that it should")
        if piece:
            yield piece
        elif stream.needs_input and not stream.eof:
            break
    if left:
        raise CodecError(f"it holds less than the {size} bytes that it should")
    if not stream.eof or stream.unused_data:
        raise CodecError("it does not end where it should")


def decompress(codec: Codec, data: bytes, size: int) -> bytes:
    """Decompress a frame as a whole; see :func:`decompress_pieces`."""
    return b"".join(decompress_pieces(codec, data, size))


def compress_text(text: bytes, level: int) -> bytes:
    """Compress a text as one zstd frame with a checksum."""
    return compress(Codec.ZSTD, level, len(text), [text])


def decompress_text(data: bytes, largest: int) -> bytes:
    """Decompress a zstd frame that holds a text."""
    try:
        size = zstd.get_frame_info(data).decompressed_size
    except zstd.ZstdError as error:
        raise CodecError(f"it cannot be decompressed ({error})") from error
    if size is None or size > largest:
        raise CodecError("it is too large")
    return decompress(Codec.ZSTD, data, size)


def codec_identity(codec: Codec) -> str:
    """Name the library that compresses, and its version: another one may make other bytes.

    Python does not tell the version of liblzma; what it makes of a sample takes its place.
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
    packed = compress(Codec.XZ, 6, len(sample), [sample])
    return hashlib.sha256(packed).hexdigest()[:16]
