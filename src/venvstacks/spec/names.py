"""Which names of layers and commands can serve as folder and file names on every platform."""

import re
import unicodedata
from collections.abc import Iterator

from venvstacks.platforms.targets import TARGETS
from venvstacks.spec.model import LayerKind
from venvstacks.spec.report import quoted

_RESERVED_CHARACTERS = '<>:"/\\|?*'
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
_PYTHON = re.compile(r"pythonw?[0-9.]*t?", re.IGNORECASE)
_OTHER_FOLDERS = frozenset({"__venvstacks__", *TARGETS})
_LONGEST = 200  # bytes; file systems allow 255, and lock files and install targets add to the name


def name_problem(kind: LayerKind, name: str) -> str | None:
    """Say why a layer cannot be called so.

    Args:
        kind: The layer's kind, which decides what its folder is called.
        name: The layer's name.

    Returns:
        What is wrong with the name, or None if it can be used.
    """
    problem = next(_character_problems(name, "folder"), None) or (
        _runtime_problem(name) if kind is LayerKind.RUNTIME else None
    )
    length = len(f"{kind.prefix}{name}".encode())
    if problem is None and length > _LONGEST:
        return f"is too long for a folder name: {length} bytes with its prefix, at most {_LONGEST} are allowed"
    return problem


def command_problem(name: str) -> str | None:
    """Say why a command cannot have a launcher of its name in every layer.

    Args:
        name: The command's name, without any ending.

    Returns:
        What is wrong with the name, or None if it can be used.
    """
    if problem := next(_character_problems(name, "file"), None):
        return problem
    if _DEVICES.fullmatch(name.split(".", maxsplit=1)[0].rstrip()):
        return f"{quoted(name)} is the name of a device on Windows"
    if is_python(name):
        return f"{quoted(name)} must not be used: a layer's own interpreter has that name"
    if len(name.encode()) > _LONGEST:
        return f"is too long for a file name: {len(name.encode())} bytes, at most {_LONGEST} are allowed"
    return None


def is_python(name: str) -> bool:
    """Tell the names that belong to a layer's own interpreter, without any ending."""
    return _PYTHON.fullmatch(name) is not None


def _character_problems(name: str, kind: str) -> Iterator[str]:
    if not name:
        yield "must not be empty"
    if name in {".", ".."}:
        yield f"must not be {quoted(name)}, which is no folder of its own"
    for char in name:
        if unicodedata.category(char) in {"Cc", "Zl", "Zp"}:
            yield f"{name!r} must not contain control characters (found U+{ord(char):04X})"
        if char in _RESERVED_CHARACTERS:
            yield f"{quoted(name)} must not contain {char}, which cannot stand in a {kind} name on every platform"
    if name != name.strip():
        yield f"{quoted(name)} must not start or end with a space"
    if name.endswith("."):
        yield f"{quoted(name)} must not end with a dot, which Windows drops from {kind} names"


def _runtime_problem(name: str) -> str | None:
    """Check what matters only where no prefix stands before the name."""
    for kind in (LayerKind.FRAMEWORK, LayerKind.APPLICATION):
        if name.casefold().startswith(kind.prefix):
            return f"{quoted(name)} must not start with '{kind.prefix}', which marks {kind.value}s"
    if name.startswith("."):
        return f"{quoted(name)} must not start with a dot, which marks private folders"
    if name.casefold() in _OTHER_FOLDERS:
        return f"{quoted(name)} must not be used for a runtime: a folder of that name stands beside the layers"
    if _DEVICES.fullmatch(name.split(".", maxsplit=1)[0].rstrip()):
        return f"{quoted(name)} is the name of a device on Windows"
    return None


def file_key(build_name: str) -> str:
    """Give a key that is equal for build names whose folders or lock files would be the same somewhere.

    Lock files have ``_`` for ``.``; file systems may ignore case and the composition of characters.
    """
    return unicodedata.normalize("NFC", build_name.replace(".", "_").casefold())
