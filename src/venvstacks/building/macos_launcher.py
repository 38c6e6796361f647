"""The launcher of a layered environment on macOS whose files need shared libraries of other layers.

The files themselves cannot be changed there, as that would break their signatures. So the loader is told where
to look through ``DYLD_LIBRARY_PATH``, and the layer's activation gives the environment back what it had
before, so that no child process hears of it. The program is a script for ``sh`` that starts no other program.
"""

from collections.abc import Sequence

from venvstacks.building.build_plan import LayerBuild
from venvstacks.building.layer_layout import BASE
from venvstacks.libraries.linkage import DYNLIB

SAVED = "_VENVSTACKS_DYLD_LIBRARY_PATH"
"""Holds ``=`` and the value that the variable had, or nothing if it was not set."""

_TEXT = """\
#!/bin/sh
# Starts this layer's Python, which finds shared libraries of other layers. Written by venvstacks.
program=$0
while [ -L "$program" ]; do
    link=$(readlink "$program")
    case $link in
    /*) program=$link ;;
    *) program=${program%/*}/$link ;;
    esac
done
case $program in
/*) ;;
*) program=$PWD/$program ;;
esac
here=${program%/*}
SAVED=${DYLD_LIBRARY_PATH+=$DYLD_LIBRARY_PATH}
DYLD_LIBRARY_PATH=FOLDERS${DYLD_LIBRARY_PATH:+:$DYLD_LIBRARY_PATH}
# tells CPython on macOS by which name it was started
__PYVENV_LAUNCHER__=$program
export SAVED DYLD_LIBRARY_PATH __PYVENV_LAUNCHER__
exec "$here"PYTHON "$@"
"""


def launcher(build: LayerBuild, install_targets: Sequence[str]) -> str:
    """Write the launcher of a layer."""
    up = "/.." * (build.layout.scripts.count("/") + 1)
    own = build.lock.install_target
    places = [up if name == own else f"{up}/../{name}" for name in install_targets]
    folders = ":".join(f"$here{_quoted(f'{place}/{DYNLIB}')}" for place in places)
    python = _quoted(f"{up}/{BASE}/{build.layout.python}")
    return _TEXT.replace("SAVED", SAVED).replace("FOLDERS", folders).replace("PYTHON", python)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
