"""Words for numbers."""

import re
from collections.abc import Iterable

_UNITS = ("", "k", "m", "g", "t")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:b|bytes)?", re.IGNORECASE)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 layer``, ``2 layers``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def some_of(names: Iterable[str], most: int = 5) -> str:
    """Return the first of some names: ``a, b and 7 more``."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed) if more <= 0 else f"{', '.join(listed[:most])} and {more} more"


def size_text(count: int) -> str:
    """Return a number of bytes for people: ``312 bytes``, ``4.2 kB``, ``41.3 MB``, ``1.2 GB``."""
    if count < 1000:  # noqa: PLR2004 - SI units
        return counted(count, "byte")
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB"):
        if round(size, 1) < 1000:  # noqa: PLR2004
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}"


def read_size(text: str) -> int:
    """Read a number of bytes as people write it: ``500000``, ``500 kB``, ``1.5GB``."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * 1000 ** _UNITS.index(found[2].lower()))
