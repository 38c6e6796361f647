"""What a Python knows of how and for where it was built: it follows the runtime wherever that lies.

Programs that build extension modules ask ``sysconfig``, pkg-config or a Makefile, all of which hold the path that
the Python was installed in.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from venvstacks.files import write_bytes, write_text

NEUTRAL_PREFIX = "/install"
"""Stands for the runtime's folder where nothing can be computed, and in managed builds as they come."""

_SYSTEM = "/usr"
"""A prefix that is also part of what is no part of a Python."""

# What `sysconfig` reports of an installation's folders.
_FOLDERS = {
    *("BINDIR", "BINLIBDEST", "CONFINCLUDEDIR", "CONFINCLUDEPY", "DESTDIRS", "DESTLIB", "DESTSHARED"),
    *("INCLDIRSTOMAKE", "INCLUDEDIR", "INCLUDEPY", "LIBDEST", "LIBDIR", "LIBPC", "LIBPL", "MACHDESTLIB", "MANDIR"),
    *("SCRIPTDIR", "datarootdir", "exec_prefix", "prefix"),
}
_HEADER = """\
# System configuration of the runtime that this file is part of, wherever that stands. Written by venvstacks.
import os

_prefix = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
build_time_vars = {
"""
_OF_MAKE = "$(abspath $(dir $(lastword $(MAKEFILE_LIST)))../../..)"
_OF_PKG_CONFIG = "${pcfiledir}/../.."
_NO_PLACE = ("lib/*/build-details.json", "lib/*/config-*/python-config.py")


def move_build_information(folder: Path, prefixes: Iterable[str]) -> None:
    """Let build information name the runtime's folder by its own place."""
    prefixes = {*prefixes}
    place = re.compile("|".join(map(_pattern, sorted(prefixes, key=len, reverse=True))))
    for path in _files(folder, "lib/*/_sysconfigdata*.py"):
        values = _values(path)
        if values is None:
            _replace(path, place, NEUTRAL_PREFIX)
        else:
            write_text(path, _configuration(values, place, only_folders=_SYSTEM in prefixes))
    if _SYSTEM in prefixes:
        return  # what else it says may well be meant
    for path in _files(folder, "lib/pkgconfig/*.pc"):
        _replace(path, place, "${prefix}", first=("prefix=", _OF_PKG_CONFIG))
    for path in _files(folder, "lib/*/config-*/Makefile"):
        _replace(path, place, "$(prefix)", first=("prefix=", _OF_MAKE))
    for pattern in _NO_PLACE:
        for path in _files(folder, pattern):
            _replace(path, place, NEUTRAL_PREFIX)


def _pattern(prefix: str) -> str:
    """Match a prefix where a path begins with it, also behind options of compilers."""
    return rf"(?:(?<![\w/-])|(?<=-[ILR])){re.escape(prefix)}(?![\w.-])"


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(folder.glob(pattern)) if not path.is_symlink())


def _values(path: Path) -> dict[str, Any] | None:
    """Read what a module with system configuration holds, if it is nothing but that."""
    try:
        tree = ast.parse(path.read_bytes())
        (assigned,) = (node for node in tree.body if isinstance(node, ast.Assign))
        values = ast.literal_eval(assigned.value)
    except (SyntaxError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _configuration(values: dict[str, Any], place: re.Pattern[str], *, only_folders: bool) -> str:
    lines = []
    multiarch = f"{_SYSTEM}/lib/{values.get('MULTIARCH')}"
    for name, value in values.items():
        text = repr(value)
        if isinstance(value, str) and (not only_folders or name in _FOLDERS):
            if only_folders:  # a runtime has all of it in `lib`
                value = value.replace(multiarch, f"{_SYSTEM}/lib")  # noqa: PLW2901
            text = " + _prefix + ".join(map(repr, place.split(value)))
        lines.append(f"    {name!r}: {text.removeprefix(repr('') + ' + ').removesuffix(' + ' + repr(''))},\n")
    return f"{_HEADER}{''.join(lines)}}}\n"


def _replace(path: Path, place: re.Pattern[str], prefix: str, *, first: tuple[str, str] | None = None) -> None:
    """Replace paths in a text file."""
    lines = path.read_bytes().decode(errors="surrogateescape").splitlines(keepends=True)
    for number, line in enumerate(lines):
        defines = first is not None and line.startswith(first[0])
        replacement = first[1] if defines and first else prefix
        lines[number] = place.sub(lambda _, text=replacement: text, line)  # type: ignore[misc]
    write_bytes(path, "".join(lines).encode(errors="surrogateescape"))
