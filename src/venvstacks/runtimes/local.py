"""Local runtimes: the files of an interpreter on this machine, copied and made relocatable."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from venvstacks.definition.stack import PythonRequest
from venvstacks.errors import RuntimeProviderError
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import host_target
from venvstacks.runtimes.build_information import move_build_information
from venvstacks.runtimes.interpreters import Interpreter, exact_request, find_interpreters
from venvstacks.runtimes.runpaths import make_runpaths_relative
from venvstacks.runtimes.smoke_test import check_runtime
from venvstacks.runtimes.trimming import copy_file, copy_tree, trim_posix
from venvstacks.work import Work

# Never part of a copy: packages of the machine, hooks of its distributor, and what only building Python needs.
_LEFT_OUT = {"site-packages", "dist-packages", "sitecustomize.py", "usercustomize.py", "test", "__pycache__"}
_HINT = 'use another interpreter, or managed Pythons (local-runtime = "never")'


@dataclass(frozen=True, slots=True)
class LocalRuntimes:
    """Interpreters of this machine, found through ``PATH`` in ``environ``."""

    environ: Mapping[str, str]
    work: Work

    def newest(self, request: PythonRequest, on: tuple[Compatibility, ...]) -> PythonVersion:
        """Return the newest release on this machine."""
        del on  # a machine has interpreters for itself only; other targets are the definition's concern
        return self._find(request).python

    def fetch(self, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        """Copy an interpreter's own files, and ensure that the copy works."""
        if not on.runs_here:
            raise RuntimeProviderError(
                f"An interpreter of this machine ({host_target().name}) cannot be used for {on.describe()}.",
                hint='use managed Pythons for other targets (local-runtime = "never")',
            )
        interpreter = self._find(exact_request(python))
        title = f"The copy of {interpreter.executable}"
        _check_kind(interpreter, on)
        _copy(interpreter, folder)
        trim_posix(folder, python)
        _admit_site_packages(folder, python)
        if interpreter.libpython and on.target.os == "linux":
            make_runpaths_relative(folder, Path(interpreter.libpython), title=title, hint=_HINT)
        move_build_information(folder, {interpreter.prefix, os.path.realpath(interpreter.prefix)})
        check_runtime(folder, python, self.work, title=title, hint=_HINT)

    def program(self, python: PythonVersion) -> Path:
        """Return the program of an interpreter."""
        return Path(self._find(exact_request(python)).executable)

    def _find(self, request: PythonRequest) -> Interpreter:
        found = find_interpreters(request, self.environ, self.work)
        if not found:
            raise RuntimeProviderError(
                f"This machine has no interpreter for {request}.",
                hint='install one, put it on PATH, or use managed Pythons (local-runtime = "never")',
            )
        return found[0]


def _check_kind(interpreter: Interpreter, on: Compatibility) -> None:
    where = interpreter.executable
    if on.target.is_windows or interpreter.framework or (on.target.os == "macosx" and interpreter.libpython):
        raise RuntimeProviderError(
            f"{where} cannot be copied: only interpreters without a shared library of their own can be on "
            "macOS, and none on Windows.",
            hint='use managed Pythons there (local-runtime = "never")',
        )
    if Path(interpreter.stdlib).parent.name != "lib":
        raise RuntimeProviderError(
            f"{where} cannot be copied: its standard library ({interpreter.stdlib}) is not in a folder named lib.",
            hint=_HINT,
        )


def _copy(interpreter: Interpreter, folder: Path) -> None:
    stdlib = Path(interpreter.stdlib)
    library = folder / "lib" / stdlib.name
    for source in dict.fromkeys((interpreter.stdlib, interpreter.platstdlib)):
        if Path(source).is_dir():
            copy_tree(Path(source), library, skip=_is_left_out)
    programs = folder / "bin"
    programs.mkdir(parents=True)
    program = programs / f"python{interpreter.python.minor}"
    copy_file(interpreter.executable, os.fspath(program), executable=True)
    include = Path(interpreter.include)
    if include.is_dir():
        copy_tree(include, folder / "include" / include.name, skip=lambda _: False)
    if interpreter.libpython:
        shared = Path(interpreter.libpython)
        copy_file(interpreter.libpython, os.fspath(folder / "lib" / shared.name), executable=True)
        plain = shared.name.partition(".so")[0] + ".so"
        if plain != shared.name:
            (folder / "lib" / plain).symlink_to(shared.name)


def _is_left_out(name: str) -> bool:
    return name in _LEFT_OUT or name.endswith((".a", ".o"))


def _admit_site_packages(folder: Path, python: PythonVersion) -> None:
    """Lead a Debian interpreter, whose frozen ``site`` looks into dist-packages, to site-packages."""
    library = folder / "lib" / python.lib_name
    if "dist-packages" in (library / "site.py").read_text(encoding="utf-8"):
        (library / "dist-packages").symlink_to("site-packages")
