"""An interpreter that has uv install each part of a wheel into a folder of its own.

uv lays files out as the interpreter that it is given has them, whatever the target is. With a folder for each
scheme (``purelib``, ``scripts``, ``data``, ...), the layer's own layout alone decides where a file goes: the same
on every host.
"""

import os
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from packaging.utils import canonicalize_name

from venvstacks.building.layer_layout import Layout

_MODULE = "_venvstacks_schemes"
_FOLDERS = {"purelib": "site", "platlib": "site", "scripts": "scripts", "data": "data"}
# site runs lines of .pth files that begin with "import"; uv asks sysconfig, as every installer does
_SETTINGS = f"""\
import sysconfig

for scheme in sysconfig._INSTALL_SCHEMES.values():
    scheme.update({{key: "{{base}}/" + folder for key, folder in {_FOLDERS!r}.items()}})
"""


@dataclass(frozen=True, slots=True)
class SchemePython:
    """A Python of this machine that uv is given.

    Attributes:
        program: Its program, absolute.
        version: Major and minor number.
    """

    program: str
    version: tuple[int, int]


HOST = SchemePython(
    os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable),
    (sys.version_info[0], sys.version_info[1]),
)
"""The Python that runs this. Nothing in a layer depends on it."""


def scheme_layout() -> Layout:
    """Return the layout in which uv installs with the interpreter of :func:`make_scheme_python`."""
    headers = f"include/site/python{_minor()}"  # fixed in uv
    return Layout("", _FOLDERS["purelib"], _FOLDERS["scripts"], headers, data=_FOLDERS["data"])


def commands_of(distribution: Distribution) -> set[str]:
    """Name the programs that uv makes for a package: its commands; of pip, also one after the interpreter."""
    points = distribution.entry_points
    names = {point.name for point in points if point.group in {"console_scripts", "gui_scripts"}}
    return names | {f"pip{_minor()}"} if canonicalize_name(distribution.metadata["Name"]) == "pip" else names


def _minor() -> str:
    return ".".join(map(str, HOST.version))


def make_scheme_python(scratch: Path) -> None:
    """Make the interpreter, unless it is there: a virtual environment of :data:`HOST`."""
    folder = scratch / "schemes"
    if folder.is_dir():
        return
    if os.name == "nt":  # where an environment needs a launcher of its own
        import venv  # noqa: PLC0415 - slower than all the rest

        venv.EnvBuilder().create(folder)
        site = folder / "Lib" / "site-packages"
    else:
        program = scheme_python(scratch)
        program.parent.mkdir(parents=True)
        program.symlink_to(HOST.program)
        home = os.path.dirname(HOST.program)  # noqa: PTH120
        (folder / "pyvenv.cfg").write_text(f"home = {home}\n", encoding="utf-8")
        site = folder / "lib" / f"python{_minor()}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{_MODULE}.py").write_text(_SETTINGS, encoding="utf-8")
    (site / f"{_MODULE}.pth").write_text(f"import {_MODULE}\n", encoding="utf-8")


def scheme_python(scratch: Path) -> Path:
    """Return the interpreter's program."""
    return scratch / "schemes" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
