"""The names of files in a store, which may come from damaged or forged metadata, and must not lead out of it."""

from pathlib import PurePosixPath

from venvstacks.errors import StoreError
from venvstacks.file_names import control_characters, windows_problem
from venvstacks.humanize import quoted

PRIVATE = ".venvstacks"
"""In a store that is a folder, what is not part of its contents: a lock, and unfinished files."""


def checked_name(name: str, *, windows: bool = False) -> str:
    """Return the name of a file, if a store can have such a file.

    Args:
        name: A POSIX path relative to the store.
        windows: Whether it is to be the name of a file on Windows.

    Raises:
        StoreError: It leads elsewhere, or is no name.
    """
    parts = name.split("/")
    if (
        str(PurePosixPath(name)) != name
        or any(part in ("", ".", "..") for part in parts)
        or parts[0] == PRIVATE
        or control_characters(name)
        or "\\" in name
        or (windows and windows_problem(name))
    ):
        raise StoreError(f"{quoted(name)} is no name of a file in a store.")
    return name


def checked_prefix(prefix: str) -> str:
    """Return what the names of some files begin with, if it is the beginning of such names.

    Raises:
        StoreError: It is not.
    """
    if prefix:
        checked_name(prefix.removesuffix("/"))
    return prefix
