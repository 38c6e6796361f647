"""Globs that match the end of a path: ``libfoo.so.*``, ``vendored/**``."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Make a test for POSIX paths.

    A glob matches the last parts of a path, as many as it has. ``*``, ``?`` and ``[...]`` match within a part,
    ``**`` any number of parts. Upper and lower case count.
    """
    patterns = [_compiled(glob) for glob in globs]
    return lambda path: any(pattern.fullmatch(path) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(glob: str) -> re.Pattern[str]:
    parts = [part for part in glob.split("/") if part]
    text = "(?:.*/)?"
    for position, part in enumerate(parts, 1):
        is_last = position == len(parts)
        if part == "**":
            text += ".*" if is_last else "(?:[^/]+/)*"
        else:
            text += _part(part) + ("" if is_last else "/")
    return re.compile(text, re.DOTALL)


def _part(glob: str) -> str:
    text, place = "", 0
    while place < len(glob):
        char = glob[place]
        place += 1
        end = glob.find("]", place + 1 + glob.startswith("!", place)) if char == "[" else -1
        if char == "*":
            text += "[^/]*"
        elif char == "?":
            text += "[^/]"
        elif end > 0:
            text += _characters(glob[place:end])
            place = end + 1
        else:
            text += re.escape(char)
    return text


def _characters(listed: str) -> str:
    is_not, listed = listed.startswith("!"), listed.removeprefix("!")
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", listed)
    try:
        re.compile(f"[{escaped}]")
    except re.error:  # a range that runs backwards matches nothing
        return "(?!)"
    return f"(?!/)[{'^' if is_not else ''}{escaped}]"
