"""Archive formats and the ways to compress them."""

from dataclasses import dataclass
from enum import StrEnum

from venvstacks.archives.codecs import Codec
from venvstacks.errors import UsageError

WRITER_REVISION = 2
"""Rises when the same entries would give other bytes, so that published archives are made again."""

_MIB = 1 << 20


class ArchiveFormat(StrEnum):
    """The formats a layer may be published in; the value is the file name's extension."""

    TAR_ZST = "tar.zst"
    TAR_XZ = "tar.xz"
    TAR_GZ = "tar.gz"
    ZIP = "zip"


class Compression(StrEnum):
    """How much time compressing may take."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything beside a layer's content that decides the bytes of its archive.

    Attributes:
        shared: About how many bytes of small entries share a frame.
        own: An entry of more bytes has frames of its own.
        cut: A file of more bytes is cut whenever it has had as many.
        window_log: How far back zstd looks for what it has seen, as the logarithm of the bytes to base 2;
            None for what the level has.
    """

    format: ArchiveFormat
    level: int
    shared: int
    own: int
    cut: int
    window_log: int | None = None

    @property
    def text(self) -> str:
        """Everything in one line, for hashes."""
        return f"{self.format} {self.level} {self.shared} {self.own} {self.cut} {self.window_log}"


CODECS = {
    ArchiveFormat.TAR_ZST: Codec.ZSTD,
    ArchiveFormat.TAR_XZ: Codec.XZ,
    ArchiveFormat.TAR_GZ: Codec.GZIP,
    ArchiveFormat.ZIP: Codec.DEFLATE,
}
"""How the frames of a format are compressed."""

_LEVELS = {  # lowest, highest, and those of the three kinds of compression
    ArchiveFormat.TAR_ZST: (1, 22, {Compression.FAST: 3, Compression.BALANCED: 9, Compression.BEST: 18}),
    ArchiveFormat.TAR_XZ: (0, 9, {Compression.FAST: 1, Compression.BALANCED: 6, Compression.BEST: 9}),
    ArchiveFormat.TAR_GZ: (1, 9, {Compression.FAST: 1, Compression.BALANCED: 6, Compression.BEST: 9}),
    ArchiveFormat.ZIP: (1, 9, {Compression.FAST: 1, Compression.BALANCED: 6, Compression.BEST: 9}),
}
_HIGH_ZSTD = 16  # from this level on, time is of less account than size


def profile_for(
    format: ArchiveFormat,  # noqa: A002 - the word users know
    level: int | None = None,
    compression: Compression | None = None,
) -> Profile:
    """Return the way to write an archive."""
    lowest, highest, levels = _LEVELS[format]
    if level is None:
        level = levels[compression or Compression.BALANCED]
    elif compression is not None:
        raise UsageError("A compression level and a kind of compression are given, and they may differ.")
    elif not lowest <= level <= highest:
        raise UsageError(f"The levels of {format.value} are {lowest} to {highest}, not {level}.")
    if format is ArchiveFormat.TAR_ZST:
        if level >= _HIGH_ZSTD:
            return Profile(format, level, 24 * _MIB, 8 * _MIB, 24 * _MIB, 25)
        return Profile(format, level, 8 * _MIB, 4 * _MIB, 16 * _MIB, 24)
    if format is ArchiveFormat.TAR_XZ:
        return Profile(format, level, 32 * _MIB, 16 * _MIB, 64 * _MIB)
    return Profile(format, level, 8 * _MIB, 4 * _MIB, 16 * _MIB)
