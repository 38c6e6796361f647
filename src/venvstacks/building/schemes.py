"""An interpreter that has uv install each part of a wheel into a folder of its own.

uv lays files out as the interpreter that it is given has them, whatever the target is. With a folder for each
scheme (``purelib``, ``scripts``, ``data``, ...), the layer's own layout alone decides where a file goes: the same
on every host.
"""

import os
import sys
from pathlib import Path

from venvstacks.building.installed import Distribution
from venvstacks.building.launchers import CONSOLE, GUI
from venvstacks.building.layer_layout import Layout

_MODULE = "_venvstacks_schemes"
_FOLDERS = {"purelib": "site", "platlib": "site", "scripts": "scripts", "data": "data"}
# site runs lines of .pth files that begin with "import"; uv asks sysconfig, as every installer does
_SETTINGS = f"""\
import sysconfig

for scheme in sysconfig._INSTALL_SCHEMES.values():
    scheme.update({{key: "{{base}}/" + folder for key, folder in {_FOLDERS!r}.items()}})
"""


# the Python that runs this; nothing in a layer depends on it
HOST_PROGRAM = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
HOST_MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def scheme_layout() -> Layout:
    """Return the layout in which uv installs with the interpreter of :func:`make_scheme_python`."""
    headers = f"include/site/python{HOST_MINOR}"  # fixed in uv
    return Layout("", _FOLDERS["purelib"], _FOLDERS["scripts"], headers, data=_FOLDERS["data"])


def commands_of(distribution: Distribution) -> set[str]:
    """Name the programs that uv makes for a package: its commands; of pip, also one after the interpreter."""
    points = distribution.entry_points
    names = {point.name for point in points if point.group in {CONSOLE, GUI}}
    return names | {f"pip{HOST_MINOR}"} if distribution.name == "pip" else names


def make_scheme_python(scratch: Path) -> None:
    """Make the interpreter, unless it is there: a virtual environment of :data:`HOST_PROGRAM`."""
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
        program.symlink_to(HOST_PROGRAM)
        home = os.path.dirname(HOST_PROGRAM)  # noqa: PTH120
        (folder / "pyvenv.cfg").write_text(f"home = {home}\n", encoding="utf-8")
        site = folder / "lib" / f"python{HOST_MINOR}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{_MODULE}.py").write_text(_SETTINGS, encoding="utf-8")
    (site / f"{_MODULE}.pth").write_text(f"import {_MODULE}\n", encoding="utf-8")


def scheme_python(scratch: Path) -> Path:
    """Return the interpreter's program."""
    return scratch / "schemes" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
