"""Names and paths: what people mean with them, and what the file systems of other platforms make of them."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_NOT_ON_WINDOWS = re.compile(r'[\x00-\x1f<>:"\\|?*]')
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` expanded; one that names no home stays, where ``Path.expanduser`` would fail."""
    try:
        return Path(os.path.expanduser(path))  # noqa: PTH111 - see above
    except ValueError:  # it has a null byte, so that nothing is there
        return Path(path)


def absolute_path(path: str | os.PathLike[str], folder: Path) -> Path:
    """Return the place that a path in a folder means: ``~`` expanded, normalised without resolving links."""
    return Path(os.path.normpath(folder / expanded(path)))


def parents(path: str) -> Iterator[str]:
    """Return the folders on the way to a POSIX path, from the top."""
    place = path.find("/")
    while place > 0:
        yield path[:place]
        place = path.find("/", place + 1)


def is_file_name(name: str) -> bool:
    """Return whether a name is that of something in a folder, and leads nowhere else."""
    return name not in ("", "..") and name == PurePosixPath(name).name and "\\" not in name


def control_characters(name: str) -> list[str]:
    """Return what of a name is no text: control characters, line ends, halves of characters.

    Unlike what counts as printable, that is the same for every Python, however many characters it knows.
    """
    return [char for char in name if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}]


def folded(path: str) -> str:
    """Return a key that is equal for paths of one file where case does not count.

    The composition of characters counts neither, as on macOS.
    """
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())


def windows_problem(path: str) -> str | None:
    """Describe why a POSIX path cannot exist on Windows, as the end of a sentence that begins with it."""
    for part in path.split("/"):
        if found := _NOT_ON_WINDOWS.search(part):
            return f"has a {found[0]!r}, which no name on Windows may have"
        if _DEVICE.fullmatch(part.partition(".")[0].rstrip()):
            return "has the name of a device on Windows"
        if part.endswith((".", " ")):
            return "ends with a dot or a space, which Windows drops"
    return None
