"""Archive formats, and what is known of a written archive."""

from dataclasses import dataclass
from enum import StrEnum

from venvstacks.errors import UsageError

WRITER_REVISION = 1
"""Rises when the same entries would give other bytes, so that published archives are made anew."""


class ArchiveFormat(StrEnum):
    """The formats a layer may be published in; the value is the file name's extension."""

    TAR_ZST = "tar.zst"
    TAR_XZ = "tar.xz"
    TAR_GZ = "tar.gz"
    ZIP = "zip"

    def level(self, wanted: int | None) -> int:
        """Give the compression level to use.

        Args:
            wanted: The user's choice, or None for the format's default.

        Raises:
            UsageError: The format has no such level.
        """
        lowest, default, highest = _LEVELS[self]
        if wanted is None:
            return default
        if not lowest <= wanted <= highest:
            raise UsageError(f"The levels of {self.value} are {lowest} to {highest}, not {wanted}.")
        return wanted


_LEVELS = {  # lowest, default, highest
    ArchiveFormat.TAR_ZST: (1, 9, 22),
    ArchiveFormat.TAR_XZ: (0, 6, 9),
    ArchiveFormat.TAR_GZ: (1, 6, 9),
    ArchiveFormat.ZIP: (1, 6, 9),
}


@dataclass(frozen=True, slots=True)
class ArchiveDigest:
    """What identifies a written archive.

    Attributes:
        size: Of the file, in bytes.
        sha256: Of the file, 64 hexadecimal digits.
        content_sha256: Of the canonical tar stream, 64 hexadecimal digits: the same in every format.
    """

    size: int
    sha256: str
    content_sha256: str
