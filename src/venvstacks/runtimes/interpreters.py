"""Find the interpreters of this machine, and ask each about itself."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from packaging.version import Version

from venvstacks.definition.stack import PythonRequest
from venvstacks.documents import DocumentError, parse_json
from venvstacks.file_names import expanded
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.work import Work

_SCRIPT = """
import json, os, platform, sys, sysconfig
names = "LIBDIR", "INSTSONAME", "Py_ENABLE_SHARED", "PYTHONFRAMEWORK", "Py_GIL_DISABLED"
v = {n: sysconfig.get_config_var(n) for n in names}
base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix,
        "installed_base": sys.base_prefix, "installed_platbase": sys.base_exec_prefix}
scheme = "posix_prefix" if os.name == "posix" else "nt"
stdlib = sysconfig.get_path("stdlib", scheme, base)
folders = v["LIBDIR"] or "", os.path.join(sys.base_prefix, "lib")
shared = [os.path.join(folder, v["INSTSONAME"] or "") for folder in folders]
print(json.dumps({
    "implementation": platform.python_implementation().lower(),
    "release": platform.python_version(),
    "freethreaded": bool(v["Py_GIL_DISABLED"]),
    "executable": os.path.realpath(getattr(sys, "_base_executable", sys.executable) or sys.executable),
    "prefix": sys.base_prefix,
    "stdlib": os.path.realpath(stdlib),
    "platstdlib": os.path.realpath(os.path.join(sys.base_exec_prefix, sys.platlibdir, os.path.basename(stdlib))),
    "include": sysconfig.get_path("include", scheme, base),
    "libpython": next((p for p in shared if v["Py_ENABLE_SHARED"] and os.path.isfile(p)), ""),
    "framework": v["PYTHONFRAMEWORK"] or "",
}))
"""


class Interpreter(msgspec.Struct, frozen=True):
    """An interpreter of this machine, in its own words; all paths are absolute.

    Attributes:
        executable: The program, without symbolic links.
        platstdlib: The platform-specific part of the standard library.
        include: The folder of its headers.
        libpython: Its shared library; empty if it has none.
        framework: The name of the macOS framework it is part of; empty if it is none.
    """

    implementation: str
    release: str
    freethreaded: bool
    executable: str
    prefix: str
    stdlib: str
    platstdlib: str
    include: str
    libpython: str
    framework: str

    @property
    def python(self) -> PythonVersion:
        """What it is."""
        return PythonVersion(self.implementation, self.release, self.freethreaded)


def exact_request(python: PythonVersion) -> PythonRequest:
    """Return the request that only this Python fulfils."""
    return PythonRequest(python.implementation, python.release, python.freethreaded)


def find_interpreters(request: PythonRequest, environ: Mapping[str, str], work: Work) -> list[Interpreter]:
    """Find the interpreters of this machine that fulfil a request, the newest first.

    They are looked for where this tool runs, among pyenv's versions, and on ``PATH``. Where the request is
    exact, the first one found will do, and no other is asked.
    """
    found: dict[str, Interpreter] = {}
    asked: set[Path] = set()
    for path in _candidates(request, environ):
        real = path.resolve()
        if real in asked:
            continue
        asked.add(real)
        interpreter = _ask(path, environ, work)
        if interpreter is None or not request.accepts(interpreter.python):
            continue
        # previews are left out, as of managed Pythons, and what is no version (`3.13.0+`), unless asked for
        if request.is_exact or all(part.isdecimal() for part in interpreter.release.split(".")):
            found.setdefault(interpreter.executable, interpreter)
            if request.is_exact:
                break
    return sorted(found.values(), key=lambda item: Version(item.release), reverse=True)


def _candidates(request: PythonRequest, environ: Mapping[str, str]) -> Iterator[Path]:
    if f"{platform.python_version()}.".startswith(f"{request.version}."):
        yield Path(sys.executable)
    prefix = "pypy" if request.implementation == "pypy" else "python"
    names = (f"{prefix}{request.minor}{'t' if request.freethreaded else ''}", f"{prefix}3", prefix)
    pyenv = Path(environ.get("PYENV_ROOT") or expanded(environ.get("HOME") or "~") / ".pyenv")
    for folder in sorted((pyenv / "versions").glob(f"*{request.minor}*/bin"), reverse=True):
        yield from (folder / name for name in names if (folder / name).is_file())
    for folder_name in environ.get("PATH", "").split(os.pathsep):
        if not folder_name or Path(folder_name) == pyenv / "shims":
            continue  # shims start, slowly, what was found above
        found = (shutil.which(name, path=folder_name) for name in names)
        yield from (Path(name) for name in found if name)


def _ask(path: Path, environ: Mapping[str, str], work: Work) -> Interpreter | None:
    clean = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    try:
        done = work.cancellation.run([path, "-I", "-S", "-c", _SCRIPT], env=clean)
        return parse_json(done.stdout, Interpreter) if done.returncode == 0 else None
    except (OSError, DocumentError):
        return None
