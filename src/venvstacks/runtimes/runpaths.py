"""Make an ELF program and its libraries find each other wherever they lie together."""

import os
from collections.abc import Iterator
from pathlib import Path

from venvstacks.binaries.elf_search import copy_with_search
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Format, NativeFile
from venvstacks.errors import BinaryFormatError, RuntimeProviderError
from venvstacks.files import temporary_beside


def make_runpaths_relative(folder: Path, libpython: Path, *, title: str, hint: str) -> None:
    """Let the files of a runtime look for its shared library in ``folder/lib``, not where ``libpython`` is."""
    for path in _binaries(folder):
        file = _read_elf(path)
        if file is None:
            continue
        search = _relative_search(file, path.parent, folder / "lib", libpython)
        if search == file.search:
            continue
        copy = temporary_beside(path)
        try:
            copy_with_search(path, copy, search, replace=True)
        except BinaryFormatError as error:
            name = path.relative_to(folder).as_posix()
            raise RuntimeProviderError(
                f"{title} cannot be made relocatable: where {name} looks for its libraries cannot be changed "
                f"({error.reason}).",
                hint=hint,
            ) from error
        copy.replace(path)


def _read_elf(path: Path) -> NativeFile | None:
    try:
        images = read_binary(path)
    except BinaryFormatError:
        return None  # cut off; starting the program will show it
    return next((image.linkage for image in images if image.format is Format.ELF), None)


def _relative_search(file: NativeFile, place: Path, library: Path, libpython: Path) -> tuple[str, ...]:
    relative = os.path.relpath(library, place)
    here = "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"
    old = os.path.realpath(libpython.parent)
    mapped = [here if os.path.realpath(entry) == old else entry for entry in file.search]
    if libpython.name in file.needed and here not in mapped:
        mapped.insert(0, here)  # it was found through the machine's own settings
    return tuple(dict.fromkeys(mapped))


def _binaries(folder: Path) -> Iterator[Path]:
    for part in ("bin", "lib"):
        for current, _, files in os.walk(folder / part):
            for name in files:
                path = Path(current, name)
                if (part == "bin" or ".so" in name) and not path.is_symlink():
                    yield path
