"""Where compressed frames are kept, and how many."""

from collections.abc import Mapping
from pathlib import Path

from venvstacks.archives.frame_cache import DEFAULT_LIMIT, FrameCache
from venvstacks.errors import UsageError
from venvstacks.humanize import read_size

LIMIT_VARIABLE = "VENVSTACKS_CACHE_LIMIT"
"""The environment variable that tells how much may be kept; 0 keeps nothing."""


def frame_cache(folder: Path | None, environ: Mapping[str, str]) -> FrameCache:
    """Return the cache of compressed frames."""
    if folder is None:
        from platformdirs import user_cache_path  # noqa: PLC0415 - only where it is needed

        folder = user_cache_path("venvstacks", appauthor=False)
    text = environ.get(LIMIT_VARIABLE, "").strip()
    try:
        limit = read_size(text) if text else DEFAULT_LIMIT
    except ValueError:
        raise UsageError(
            f"The environment variable {LIMIT_VARIABLE} is {text!r}, which is not a size.",
            hint="a size is a number of bytes, or a number with kB, MB or GB, for example 20GB",
        ) from None
    return FrameCache(folder / "frames", limit)
