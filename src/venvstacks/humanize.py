"""Words for numbers and names."""

import re
from collections.abc import Iterable

_UNITS = ("", "k", "m", "g", "t")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:b|bytes)?", re.IGNORECASE)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 layer``, ``2 layers``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def some_of(names: Iterable[str], most: int = 5) -> str:
    """Return the first of some names: ``a, b and 7 more``."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed) if more <= 0 else f"{', '.join(listed[:most])} and {more} more"


def bullets(lines: Iterable[str], most: int | None = None) -> str:
    """Return lines as the end of a message, each with a bullet; of more than ``most``, the rest is counted."""
    listed = list(lines)
    shown = listed[:most]
    more = f"\n  and {len(listed) - len(shown)} more" if len(listed) > len(shown) else ""
    return "".join(f"\n  - {line}" for line in shown) + more


def quoted(text: str) -> str:
    """Quote a text that people wrote; what would garble a terminal is escaped."""
    return f"'{text}'" if text.isprintable() else repr(text)


def listed(words: Iterable[str]) -> str:
    """Join quoted words for a sentence: ``'a', 'b'``."""
    return ", ".join(quoted(word) for word in words)


def without_credentials(text: str, instead: str = "") -> str:
    """Return a text without the user names and passwords in its addresses."""
    return _CREDENTIALS.sub(instead, text)


def did_you_mean(found: str, known: Iterable[str], *, before: str = "") -> str | None:
    """Suggest the known word that is nearest to the one that was found, if any is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only mistakes need it

    by_folded = {word.casefold(): word for word in known}
    near = get_close_matches(found.casefold(), by_folded, n=1)
    return f"did you mean {quoted(before + by_folded[near[0]])}?" if near else None


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
