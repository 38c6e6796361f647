"""An interpreter that has uv install each part of a wheel into a folder of its own.

uv lays files out as the interpreter that it is given has them, whatever the target is. With a folder for each
scheme (``purelib``, ``scripts``, ``data``, ...), the layer's own layout alone decides where a file goes: the same
on every host.
"""

import os
import sys
import sysconfig
from pathlib import Path

from venvstacks.building.layout import Layout

_MODULE = "_venvstacks_schemes"
_FOLDERS = {"purelib": "site", "platlib": "site", "scripts": "scripts", "data": "data"}
# site runs lines of .pth files that begin with "import"; uv asks sysconfig, as every installer does
_SETTINGS = f"""\
import sysconfig

for scheme in sysconfig._INSTALL_SCHEMES.values():
    scheme.update({{key: "{{base}}/" + folder for key, folder in {_FOLDERS!r}.items()}})
"""


def scheme_layout() -> Layout:
    """Give the layout in which uv installs with the interpreter of :func:`make_scheme_python`."""
    headers = f"include/site/python{sys.version_info.major}.{sys.version_info.minor}"  # fixed in uv
    return Layout("", _FOLDERS["purelib"], _FOLDERS["scripts"], headers, data=_FOLDERS["data"])


def make_scheme_python(scratch: Path) -> None:
    """Make the interpreter, unless it is there: a virtual environment of the Python that runs this.

    Args:
        scratch: This run's folder for intermediate files.

    Raises:
        OSError: It cannot be written.
    """
    folder = scratch / "schemes"
    if folder.is_dir():
        return
    if os.name == "nt":  # where an environment needs a launcher of its own
        import venv  # noqa: PLC0415 - slower than all the rest

        venv.EnvBuilder().create(folder)
    else:
        program = scheme_python(scratch)
        program.parent.mkdir(parents=True)
        base = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
        program.symlink_to(base)
        (folder / "pyvenv.cfg").write_text(f"home = {os.path.dirname(base)}\n", encoding="utf-8")  # noqa: PTH120
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{_MODULE}.py").write_text(_SETTINGS, encoding="utf-8")
    (site / f"{_MODULE}.pth").write_text(f"import {_MODULE}\n", encoding="utf-8")


def scheme_python(scratch: Path) -> Path:
    """Give the interpreter's program."""
    return scratch / "schemes" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
