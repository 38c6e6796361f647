"""Which names of layers and commands can serve as folder and file names."""

import re

from venvstacks.definition.stack import LayerKind
from venvstacks.definition.tables import Table
from venvstacks.file_names import control_characters, windows_problem
from venvstacks.humanize import quoted
from venvstacks.platforms.targets import TARGETS

_PYTHON = re.compile(r"pythonw?[0-9.]*t?", re.IGNORECASE)
_WILDCARD = re.compile(r"[*?]|\[[^]]+\]")
_OTHER_FOLDERS = frozenset({"__venvstacks__", *TARGETS})
_LONGEST = 200  # bytes; file systems allow 255, and lock files and install targets add to the name


def name_problem(kind: LayerKind, name: str) -> str | None:
    """Describe why a layer cannot be called so, whatever it is made for."""
    return (
        _character_problem(name)
        or (_runtime_problem(name) if kind is LayerKind.RUNTIME else None)
        or _length_problem(f"{kind.prefix}{name}", "folder name")
    )


def command_problem(name: str, *, windows: bool = True) -> str | None:
    """Describe why a command cannot have a launcher of its name."""
    if problem := _character_problem(name):
        return problem
    if windows and (problem := windows_problem(name)):
        return f"{quoted(name)} {problem}"
    if is_python(name):
        return f"{quoted(name)} must not be used: a layer's own interpreter has that name"
    return _length_problem(name, "file name")


def is_python(name: str) -> bool:
    """Return whether a name, without any ending, belongs to a layer's own interpreter."""
    return _PYTHON.fullmatch(name) is not None


def is_pattern(name: str) -> bool:
    """Return whether one of the ``entry_points`` means all names that it matches."""
    return _WILDCARD.search(name) is not None


def read_entry_points(table: Table) -> tuple[tuple[str, ...], bool]:
    """Read an application's ``entry_points``: names and patterns, sorted, or whether all commands are wanted."""
    field = "entry_points"
    value = table.values.get(field, False)
    if isinstance(value, bool):
        return (), value
    seen: dict[str, str] = {}
    for name in value:
        # a pattern may match something if a name that it matches may be one
        if problem := command_problem(_WILDCARD.sub("x", name)):
            table.report.add(field, problem)
            continue
        folded = name.casefold()
        if folded not in seen:
            seen[folded] = name
        elif seen[folded] == name:
            table.report.add(field, f"{quoted(name)} is listed twice", "keep one of them")
        else:
            message = f"{quoted(seen[folded])} and {quoted(name)} differ only in case"
            table.report.add(field, message, "Windows and macOS would take them for one file")
    return tuple(sorted(seen.values())), False


def _character_problem(name: str) -> str | None:
    if not name:
        return "must not be empty"
    if name in {".", ".."}:
        return f"must not be {quoted(name)}, which is no folder of its own"
    for char in control_characters(name):
        return f"{name!r} must not contain control characters (found U+{ord(char):04X})"
    for char in name:
        if char in "/\\":
            return f"{quoted(name)} must not contain {char}, which separates folders"
    return None


def _length_problem(name: str, what: str) -> str | None:
    length = len(name.encode())
    return (
        f"is too long for a {what}: {length} bytes, at most {_LONGEST} are allowed" if length > _LONGEST else None
    )


def _runtime_problem(name: str) -> str | None:
    """Check what matters only where no prefix precedes the name."""
    for kind in (LayerKind.FRAMEWORK, LayerKind.APPLICATION):
        if name.casefold().startswith(kind.prefix):
            return f"{quoted(name)} must not start with '{kind.prefix}', which marks {kind.value}s"
    if name.startswith("."):
        return f"{quoted(name)} must not start with a dot, which marks private folders"
    if name.casefold() in _OTHER_FOLDERS:
        return f"{quoted(name)} must not be used for a runtime: a folder of that name lies beside the layers"
    return None
