import gzip
import lzma
import re

import pytest

from venvstacks.archives.codecs import BLOCK_SIZE, codec_identity, compressor
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.write import _PackedBlocks


def test_gzip_header_tells_nothing_of_the_host() -> None:
    stream = compressor(ArchiveFormat.TAR_GZ, 6)
    packed = stream.compress(b"content") + stream.flush()
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    assert gzip.decompress(packed) == b"content"


def test_empty_gzip_stream() -> None:
    assert gzip.decompress(compressor(ArchiveFormat.TAR_GZ, 6).flush()) == b""


def test_xz_has_a_checksum() -> None:
    stream = compressor(ArchiveFormat.TAR_XZ, 0)
    decompressor = lzma.LZMADecompressor()
    assert decompressor.decompress(stream.compress(b"content") + stream.flush()) == b"content"
    assert decompressor.check == lzma.CHECK_CRC64


def test_zstd_frame_has_a_checksum_and_no_size() -> None:
    stream = compressor(ArchiveFormat.TAR_ZST, 9)
    packed = stream.compress(b"content") + stream.flush()
    descriptor = packed[4]
    assert (descriptor >> 6, descriptor >> 5 & 1, descriptor >> 2 & 1) == (0, 0, 1)


@pytest.mark.parametrize("piece", [1000, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE])
def test_compressors_are_fed_the_same_blocks_whatever_the_pieces(piece: int) -> None:
    content = bytes(range(256)) * (BLOCK_SIZE // 100)
    fed: list[bytes] = []

    class Recorder:
        def compress(self, data: bytes, /) -> bytes:
            fed.append(data)
            return b""

        def flush(self) -> bytes:
            return b""

    observed = bytearray()
    blocks = _PackedBlocks(Recorder(), len, observed.extend)
    for start in range(0, len(content), piece):
        blocks.write(content[start : start + piece])
    blocks.close()
    assert observed == content
    assert b"".join(fed) == content
    assert [len(block) for block in fed] == [BLOCK_SIZE, BLOCK_SIZE, len(content) - 2 * BLOCK_SIZE]


def test_codecs_tell_their_versions_where_they_can() -> None:
    identities = {kind: codec_identity(kind) for kind in ArchiveFormat}
    assert re.fullmatch(r"zstd \d+\.\d+\.\d+", identities[ArchiveFormat.TAR_ZST])
    assert re.match(r"zlib \d+\.\d+", identities[ArchiveFormat.TAR_GZ])
    assert identities[ArchiveFormat.ZIP] == identities[ArchiveFormat.TAR_GZ]
    assert identities[ArchiveFormat.TAR_XZ] == "xz"
