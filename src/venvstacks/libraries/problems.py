"""What is wrong with a layer's libraries, in words."""

from collections.abc import Iterator, Sequence

from venvstacks.errors import LibrariesError
from venvstacks.libraries.model import Conflict, LibraryLayer, Linking, NativeFile, Use

_SHOWN = 20


def check_conflicts(layer: LibraryLayer, conflicts: Sequence[Conflict]) -> None:
    """See that each name stands for one library.

    Raises:
        LibrariesError: One does not.
    """
    if not conflicts:
        return
    lines = [
        f"\n  - {_shown(conflict.name)}: "
        + " and ".join(f"{_shown(file.path)} ({file.owner})" for file in conflict.files)
        for conflict in conflicts
    ]
    globs = dict.fromkeys(
        (
            *layer.exclude,
            *(_glob(file) for conflict in conflicts for file in conflict.files[1:]),
        )
    )
    raise LibrariesError(
        f"{_headline(layer)} has different shared libraries of one name, so that layers above it cannot tell them "
        f"apart:{_listed(lines)}",
        hint=f"leave out what no layer above needs, for example: dynlib_exclude = [{_quoted(globs)}]",
    )


def check_missing(layer: LibraryLayer, linking: Linking) -> None:
    """See that every file finds what it needs.

    Raises:
        LibrariesError: One does not.
    """
    missing = linking.missing
    if not missing:
        return
    files = dict.fromkeys(use.file for use in missing)
    lines = [_missing_line(path, [use for use in missing if use.file == path]) for path in files]
    names = dict.fromkeys((*layer.allow_missing, *(_escaped(use.needed.rpartition("/")[2]) for use in missing)))
    count = len({use.needed for use in missing})
    what = "a shared library" if count == 1 else f"{count} shared libraries"
    raise LibrariesError(
        f"{_headline(layer)} for {layer.compatibility.describe()} needs {what} that neither it nor a layer below "
        f"offers, and that is no part of the target's system:{_listed(lines)}",
        hint="add the packages that bring them, here or in a layer below; or, if it works without them: "
        f"dynlib_allow_missing = [{_quoted(names)}]",
    )


def _missing_line(path: str, uses: Sequence[Use]) -> str:
    names = ", ".join(_shown(use.needed) for use in uses)
    remarks = "".join(f"; {remark}" for remark in dict.fromkeys(use.remark for use in uses) if remark)
    return f"\n  - {_shown(path)} ({uses[0].owner}) needs {names}{remarks}"


def _headline(layer: LibraryLayer) -> str:
    return layer.title[:1].upper() + layer.title[1:]


def _listed(lines: Sequence[str]) -> str:
    more = f"\n  and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "".join(lines[:_SHOWN]) + more


def _shown(name: str) -> str:
    """Give a name as it is, or quoted if it would look like something else."""
    return name if name.isprintable() and name == name.strip() and name else repr(name)


def _glob(file: NativeFile) -> str:
    """Give a glob for one file: its path as the package has it."""
    _, between, inside = file.path.rpartition("/site-packages/")
    return _escaped(inside if between else file.path)


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _quoted(globs: dict[str, None]) -> str:
    return ", ".join(_toml(glob) for glob in globs)


def _toml(text: str) -> str:
    return '"' + "".join(_toml_characters(text)) + '"'


def _toml_characters(text: str) -> Iterator[str]:
    for char in text:
        if char in '"\\':
            yield f"\\{char}"
        else:
            yield char if char.isprintable() else f"\\u{ord(char):04X}"
