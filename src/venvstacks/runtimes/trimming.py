"""Make a folder with a Python installation into a runtime: nothing more than that, and nothing of its past."""

import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from venvstacks.files import remove_tree
from venvstacks.platforms.compatibility import PythonVersion

# The test suites, and what marks an installation as another tool's.
_NOT_RUNTIME = ("test", "idlelib/idle_test", "lib2to3/tests", "distutils/tests", "EXTERNALLY-MANAGED")
# As CPython's sysconfig spells them, and its installer; not all builds do, and Windows does not care.
_WINDOWS_FOLDERS = {name.casefold(): name for name in ("DLLs", "Include", "Lib", "Scripts")}
_INTERPRETER = re.compile(r"(python|pypy)(\d+(\.\d+)?)?t?$")


def copy_tree(source: Path, destination: Path, *, skip: Callable[[str], bool]) -> None:
    """Copy a folder, with real copies of what its links lead to outside of it."""
    _copy_folder(os.fspath(source), os.fspath(destination), source.resolve(), skip)


def _copy_folder(source: str, destination: str, root: Path, skip: Callable[[str], bool]) -> None:
    os.makedirs(destination, exist_ok=True)  # noqa: PTH103 - a Path an entry is slow
    with os.scandir(source) as found:
        entries = [entry for entry in found if not skip(entry.name)]
    for entry in entries:
        place = f"{destination}{os.sep}{entry.name}"
        if entry.is_symlink():
            _copy_link(Path(entry.path), Path(place), root)
        elif entry.is_dir():
            _copy_folder(entry.path, place, root, skip)
        else:
            copy_file(entry.path, place, executable=bool(entry.stat().st_mode & stat.S_IXUSR))


def copy_file(source: str, destination: str, *, executable: bool) -> None:
    """Copy a file's content, in place of what is there; of its mode and times only who may execute it."""
    shutil.copyfile(source, destination)
    Path(destination).chmod(0o755 if executable else 0o644)


def _copy_link(source: Path, destination: Path, root: Path) -> None:
    if not source.exists():
        return  # a broken link helps nobody
    if source.resolve().is_relative_to(root) and not source.readlink().is_absolute():
        destination.symlink_to(source.readlink())
    elif source.is_dir():
        shutil.copytree(source, destination, symlinks=False, dirs_exist_ok=True)
    else:
        copy_file(os.fspath(source), os.fspath(destination), executable=os.access(source, os.X_OK))


def trim_posix(folder: Path, python: PythonVersion) -> None:
    """Remove from an installation whatever is not part of a runtime: pip, scripts, tests, manuals."""
    _trim(folder, folder / "lib" / python.lib_name)
    remove_tree(folder / "share" / "man")
    for script in [*(folder / "bin").iterdir()]:
        if not _INTERPRETER.fullmatch(script.name):
            remove_tree(script)
    _name_interpreters(folder / "bin", python)


def trim_windows(folder: Path) -> None:
    """Trim an installation in the Windows layout as :func:`trim_posix` does, and normalise its folder names."""
    for entry in [*folder.iterdir()]:
        spelled = _WINDOWS_FOLDERS.get(entry.name.casefold(), entry.name)
        if spelled != entry.name:
            entry.rename(folder / spelled)
    _trim(folder, folder / "Lib")
    remove_tree(folder / "Scripts")  # pip's programs; packages of the layer come later
    for path in [path for path in folder.rglob("*") if path.is_symlink()]:
        path.unlink()  # made by uv on another system, beside the files that they lead to


def _trim(folder: Path, library: Path) -> None:
    for name in _NOT_RUNTIME:
        remove_tree(library / name)
    site = library / "site-packages"
    remove_tree(site)
    site.mkdir(parents=True)
    for entry in [*folder.iterdir()]:
        if entry.name.startswith(".") or entry.name == "BUILD":
            remove_tree(entry)


def _name_interpreters(bin_folder: Path, python: PythonVersion) -> None:
    """Ensure that ``python``, ``python3`` and ``pythonX.Y`` are there, as relative links to one file."""
    names = (f"python{python.minor}", "python3", "python")
    files = [path for path in sorted(bin_folder.iterdir()) if path.is_file() and not path.is_symlink()]
    real = next(
        (path for name in (python.lib_name, names[0]) for path in files if path.name == name),
        files[0] if files else None,
    )
    for name in names:
        path = bin_folder / name
        if real is not None and path != real and not path.is_file():
            path.unlink(missing_ok=True)
            path.symlink_to(real.name)
