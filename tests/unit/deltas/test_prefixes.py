import pytest

from fakes.deltas import edited, noise
from venvstacks.deltas.prefixes import PrefixError, compress, decompress

OLD = noise(50_000)
NEW = edited(OLD)


@pytest.mark.parametrize("level", [1, 12, 19])
def test_prefix_is_referred_to(level: int) -> None:
    packed = compress(NEW, OLD, level)
    assert len(packed) < 3000
    assert decompress(packed, OLD, len(NEW)) == NEW
    assert len(compress(NEW, b"", level)) > 50_000


def test_whole_prefix_is_seen_to_the_last_byte() -> None:
    old = noise(100_000)
    assert len(compress(old, old, 12)) < 100
    assert len(compress(old[:40_000], old, 12)) < 100
    assert len(compress(old[-40_000:] + old[:40_000], old, 12)) < 150


@pytest.mark.parametrize("content", [b"1", b"x" * 100_000, noise(3)])
def test_any_content(content: bytes) -> None:
    assert decompress(compress(content, b"", 12), b"", len(content)) == content
    assert decompress(compress(content, OLD, 12), OLD, len(content)) == content


@pytest.mark.parametrize("size", [len(NEW) - 1, len(NEW) + 1, 0])
def test_other_size_is_refused(size: int) -> None:
    with pytest.raises(PrefixError):
        decompress(compress(NEW, OLD, 3), OLD, size)


def test_bomb_is_not_decompressed() -> None:
    packed = compress(bytes(16 << 20), b"", 1)
    with pytest.raises(PrefixError, match="it does not hold the 10 bytes that it should"):
        decompress(packed, b"", 10)


def test_too_large_window_is_refused() -> None:
    packed = compress(bytes((16 << 20) + 1), b"", 1)
    with pytest.raises(PrefixError, match="cannot be decompressed"):
        decompress(packed, b"", 1 << 30)


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d + b"1", lambda d: d + d, lambda _: b""])
def test_damaged_frame_is_refused(damage) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(PrefixError):
        decompress(damage(compress(NEW, OLD, 3)), OLD, len(NEW))
