import gzip
import lzma
import os
import re
import sys

import pytest

from venvstacks.archives import codecs as codecs_module
from venvstacks.archives.codecs import (
    BLOCK_SIZE,
    Codec,
    CodecError,
    codec_identity,
    compress,
    compress_text,
    decompress,
    decompress_text,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

codecs = pytest.mark.parametrize("codec", Codec)
CONTENT = b"content" * 1000


def packed(codec: Codec, content: bytes = CONTENT, level: int = 6) -> bytes:
    return compress(codec, level, len(content), [content])


@codecs
@pytest.mark.parametrize("content", [b"", b"x", CONTENT, os.urandom(3 * BLOCK_SIZE + 1)], ids=len)
def test_round_trip(codec: Codec, content: bytes) -> None:
    assert decompress(codec, packed(codec, content), len(content)) == content


def test_gzip_header_tells_nothing_of_the_host() -> None:
    assert packed(Codec.GZIP)[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    assert gzip.decompress(packed(Codec.GZIP)) == CONTENT


def test_xz_has_a_checksum() -> None:
    decompressor = lzma.LZMADecompressor()
    assert decompressor.decompress(packed(Codec.XZ)) == CONTENT
    assert decompressor.check == lzma.CHECK_CRC64


@pytest.mark.parametrize("level", range(10))
def test_xz_dictionaries_are_those_of_the_levels_as_far_as_there_is_content(level: int) -> None:
    for size in (0, 1, 65_537, 1 << 20):
        data = compress(Codec.XZ, level, size, [bytes(size)])
        bits = (
            data[12 + 2 + 2] if size else 8
        )  # of the block's header: size, flags, filter, its size, the dictionary
        dictionary = (2 | bits & 1) << (bits // 2 + 11)
        own = (18, 20, 21, 22, 22, 23, 23, 24, 25, 26)[level]
        assert dictionary == min(1 << own, max(1 << 16, 1 << (size - 1).bit_length() if size else 0))


def test_zstd_frame_tells_its_size_and_has_a_checksum() -> None:
    data = packed(Codec.ZSTD)
    assert data[4] >> 2 & 1 == 1
    assert zstd.get_frame_info(data).decompressed_size == len(CONTENT)


def test_parts_of_a_deflate_stream_follow_each_other() -> None:
    first = compress(Codec.DEFLATE, 6, 7, [b"content"], last=False)
    assert decompress(Codec.DEFLATE, first, 7) == b"content"
    assert decompress(Codec.DEFLATE, first + packed(Codec.DEFLATE), 7 + len(CONTENT)) == b"content" + CONTENT
    with pytest.raises(CodecError, match="does not end where it should"):
        decompress(Codec.DEFLATE, first[:-1], 7)


@pytest.mark.parametrize("piece", [1000, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE])
def test_compressors_are_fed_the_same_blocks_whatever_the_pieces(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    content = bytes(range(256)) * (BLOCK_SIZE // 100)
    fed: list[bytes] = []
    checks: list[None] = []

    def feed(data: bytes) -> bytes:
        fed.append(data)
        return b"<"

    monkeypatch.setattr(codecs_module, "_compressor", lambda *_, **__: (feed, lambda: b">"))
    pieces = (content[start : start + piece] for start in range(0, len(content), piece))
    written = compress(Codec.ZSTD, 1, len(content), pieces, check=lambda: checks.append(None))
    assert written == b"<<<>"
    assert b"".join(fed) == content
    assert [len(block) for block in fed] == [BLOCK_SIZE, BLOCK_SIZE, len(content) - 2 * BLOCK_SIZE]
    assert len(checks) == 3


@codecs
@pytest.mark.parametrize("wrong", [-1, 1, -len(CONTENT), 1 << 40])
def test_another_size_is_refused(codec: Codec, wrong: int) -> None:
    with pytest.raises(CodecError, match=r"it holds (more|less) than the \d+ bytes that it should"):
        decompress(codec, packed(codec), len(CONTENT) + wrong)


@codecs
@pytest.mark.parametrize("change", ["longer", "shorter", "empty", "twice"])
def test_frames_end_where_they_should(codec: Codec, change: str) -> None:
    data = packed(codec)
    changed = {"longer": data + b"x", "shorter": data[:-1], "empty": b"", "twice": data + data}[change]
    with pytest.raises(CodecError):
        decompress(codec, changed, len(CONTENT))


def test_bombs_are_not_made() -> None:
    bomb = packed(Codec.ZSTD, bytes(100 << 20), level=1)
    assert len(bomb) < 20_000
    with pytest.raises(CodecError, match="it holds more than the 1000 bytes"):
        decompress(Codec.ZSTD, bomb, 1000)
    with pytest.raises(CodecError, match="it is too large"):
        decompress_text(bomb, 1 << 20)


def test_windows_are_bounded() -> None:
    parameter = zstd.CompressionParameter
    stream = zstd.ZstdCompressor(options={parameter.window_log: 28, parameter.content_size_flag: 0})
    data = stream.compress(CONTENT) + stream.flush()
    assert zstd.decompress(data, options={zstd.DecompressionParameter.window_log_max: 28}) == CONTENT
    with pytest.raises(CodecError, match="cannot be decompressed"):
        decompress(Codec.ZSTD, data, len(CONTENT))


def test_texts() -> None:
    data = compress_text(CONTENT, 3)
    assert decompress_text(data, len(CONTENT)) == CONTENT
    for changed in (data + b"x", data[:-1], b"", b"other"):
        with pytest.raises(CodecError):
            decompress_text(changed, len(CONTENT))


def test_codecs_tell_their_versions_where_they_can() -> None:
    identities = {codec: codec_identity(codec) for codec in Codec}
    assert re.fullmatch(r"zstd \d+\.\d+\.\d+", identities[Codec.ZSTD])
    assert re.match(r"zlib \d+\.\d+", identities[Codec.GZIP])
    assert identities[Codec.DEFLATE] == identities[Codec.GZIP]
    assert re.fullmatch(r"xz [0-9a-f]{16}", identities[Codec.XZ])
