"""Make an ELF program and its libraries find each other wherever they lie together."""

import os
from collections.abc import Iterator
from pathlib import Path

from venvstacks.binaries.elf_search import copy_with_search
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Format, Image
from venvstacks.errors import BinaryFormatError, RuntimeProviderError
from venvstacks.files import temporary_beside


def make_runpaths_relative(folder: Path, libpython: Path, *, title: str, hint: str) -> None:
    """Let the files of a runtime look for its shared library in ``folder/lib``, not where ``libpython`` is."""
    for path in _binaries(folder):
        image = _elf_image(path)
        if image is None:
            continue
        search = _relative_search(image, path.parent, folder / "lib", libpython)
        if search == image.search:
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


def _elf_image(path: Path) -> Image | None:
    try:
        binary = read_binary(path)
    except BinaryFormatError:
        return None  # cut off; starting the program will tell
    return binary.images[0] if binary is not None and binary.format is Format.ELF else None


def _relative_search(image: Image, place: Path, library: Path, libpython: Path) -> tuple[str, ...]:
    relative = os.path.relpath(library, place)
    here = "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"
    old = os.path.realpath(libpython.parent)
    mapped = [here if os.path.realpath(entry) == old else entry for entry in image.search]
    if libpython.name in image.needed and here not in mapped:
        mapped.insert(0, here)  # it was found through the machine's own settings
    return tuple(dict.fromkeys(mapped))


def _binaries(folder: Path) -> Iterator[Path]:
    for part in ("bin", "lib"):
        for current, _, files in os.walk(folder / part):
            for name in files:
                path = Path(current, name)
                if (part == "bin" or ".so" in name) and not path.is_symlink():
                    yield path
