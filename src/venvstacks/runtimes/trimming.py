"""Make a folder with a Python installation into a runtime: nothing more than that, and nothing of its past."""

import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from venvstacks.files import remove_tree, write_bytes
from venvstacks.platforms.compatibility import PythonVersion

NEUTRAL_PREFIX = "/install"
"""What stands in build information where the path of the machine was that built or unpacked it."""

# The test suites, and what marks an installation as another tool's.
_NOT_RUNTIME = ("test", "idlelib/idle_test", "lib2to3/tests", "distutils/tests", "EXTERNALLY-MANAGED")
_INTERPRETER = re.compile(r"(python|pypy)(\d+(\.\d+)?)?t?$")


def copy_tree(source: Path, destination: Path, *, skip: Callable[[str], bool]) -> None:
    """Copy a folder, with real copies of what its links lead to outside of it.

    Args:
        source: The folder.
        destination: Where to; may exist.
        skip: Tells from a POSIX path relative to ``source`` what is left out.
    """
    root = source.resolve()
    for current, folders, files in os.walk(source):
        relative = Path(current).relative_to(source)
        folders[:] = [name for name in folders if not skip((relative / name).as_posix())]
        (destination / relative).mkdir(parents=True, exist_ok=True)
        for name in [*files, *(name for name in folders if (Path(current) / name).is_symlink())]:
            if not skip((relative / name).as_posix()):
                _copy_entry(Path(current) / name, destination / relative / name, root)


def _copy_entry(source: Path, destination: Path, root: Path) -> None:
    if not source.is_symlink():
        shutil.copy2(source, destination)
    elif not source.exists():
        return  # a broken link helps nobody
    elif source.resolve().is_relative_to(root) and not source.readlink().is_absolute():
        destination.symlink_to(source.readlink())
    elif source.is_dir():
        shutil.copytree(source, destination, symlinks=False, dirs_exist_ok=True)
    else:
        shutil.copy2(source, destination)


def trim_posix(folder: Path, python: PythonVersion) -> None:
    """Remove from an installation whatever is not part of a runtime: pip, scripts, tests, manuals, bytecode.

    Args:
        folder: The installation.
        python: What it is.
    """
    library = folder / "lib" / python.lib_name
    for name in _NOT_RUNTIME:
        remove_tree(library / name)
    remove_tree(folder / "share" / "man")
    site = library / "site-packages"
    remove_tree(site)
    site.mkdir(parents=True)
    for cache in [*folder.rglob("__pycache__")]:
        remove_tree(cache)
    for entry in [*folder.iterdir()]:
        if entry.name.startswith(".") or entry.name == "BUILD":
            remove_tree(entry)
    for script in [*(folder / "bin").iterdir()]:
        if not _INTERPRETER.fullmatch(script.name):
            remove_tree(script)
    _name_interpreters(folder / "bin", python)


def _name_interpreters(bin_folder: Path, python: PythonVersion) -> None:
    """See that ``python``, ``python3`` and ``pythonX.Y`` are there, as relative links to one file."""
    names = (f"python{python.minor}", "python3", "python")
    files = [path for path in sorted(bin_folder.iterdir()) if path.is_file() and not path.is_symlink()]
    wanted = [f"{python.lib_name}", names[0]]
    real = next((path for name in wanted for path in files if path.name == name), files[0] if files else None)
    for name in names:
        path = bin_folder / name
        if real is not None and path != real and not path.is_file():
            path.unlink(missing_ok=True)
            path.symlink_to(real.name)


def neutralise_prefix(folder: Path, prefixes: Iterable[str]) -> None:
    """Take the paths of this machine out of build information, which no running program needs.

    Args:
        folder: The runtime.
        prefixes: Where it was installed before, absolute.
    """
    old = sorted({prefix.encode() for prefix in prefixes}, key=len, reverse=True)
    for pattern in ("lib/*/_sysconfigdata*.py", "lib/pkgconfig/*.pc", "lib/*/config-*/Makefile"):
        for path in folder.glob(pattern):
            content = path.read_bytes()
            for prefix in old:
                content = re.sub(re.escape(prefix) + rb"(?=[/'\"\s:]|$)", NEUTRAL_PREFIX.encode(), content)
            if not path.is_symlink():
                write_bytes(path, content)
