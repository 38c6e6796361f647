"""Zstandard with old content as prefix: what is compressed refers to it as to something that came just before."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_SMALLEST_WINDOW_LOG = 10
_WINDOW_LOG_MAX = 24  # of the largest content of a frame


class PrefixError(ValueError):
    """A frame that is damaged, or not what it was said to be."""


def compress(content: bytes, prefix: bytes, level: int) -> bytes:
    """Compress a frame.

    The window is as large as the content: then the codec sees all of the prefix up to the last byte.
    """
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {
        parameter.compression_level: level,
        parameter.window_log: max(_SMALLEST_WINDOW_LOG, (len(content) - 1).bit_length()),
    }
    stream = zstd.ZstdCompressor(options=options, zstd_dict=_prefix(prefix))
    stream.set_pledged_input_size(len(content))
    return stream.compress(content, zstd.ZstdCompressor.FLUSH_FRAME)


def decompress(packed: bytes, prefix: bytes, size: int) -> bytes:
    """Decompress a frame, without ever making more of it than was said to be in it."""
    limits: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
    try:
        stream = zstd.ZstdDecompressor(zstd_dict=_prefix(prefix), options=limits)
        content = stream.decompress(packed, size + 1)
    except (zstd.ZstdError, EOFError, ValueError) as error:
        raise PrefixError(f"it cannot be decompressed ({error})") from error
    if len(content) != size or not stream.eof or stream.unused_data:
        raise PrefixError(f"it does not hold the {size} bytes that it should")
    return content


def _prefix(content: bytes) -> "tuple[zstd.ZstdDict, int] | None":
    return zstd.ZstdDict(content, is_raw=True).as_prefix if content else None
