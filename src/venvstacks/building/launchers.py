"""Programs that start a layer's own Python wherever the layer lies: launchers, scripts, interpreters."""

import io
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, ZipInfo

from venvstacks.building.installed import Row, replace_file, row_of
from venvstacks.building.layer_layout import BASE, Layout
from venvstacks.definition.stack import Layer
from venvstacks.files import sha256
from venvstacks.libraries.linkage import DYNLIB
from venvstacks.platforms.targets import Target

if TYPE_CHECKING:
    from installer.scripts import LauncherKind

CONSOLE, GUI = "console_scripts", "gui_scripts"
"""The groups of entry points that are commands."""

_BESIDE = "<launcher_dir>\\python.exe"  # which the launchers for Windows take for: in my own folder

# A program for sh that is a string to Python. No path here begins with a hyphen, and busybox's realpath takes "--"
# for a name. With -P, what lies beside the script is not imported in the place of a package's module.
_LAUNCHER = """\
#!/bin/sh
''':'
if [ "${PYTHONHOME+set}" ]; then
    echo "${0##*/}: PYTHONHOME is set, which is of no use to this program: it starts without it" >&2
    unset PYTHONHOME
fi
exec "$(dirname "$(realpath "$0")")/python" OPTION "$0" "$@"
' '''
"""

_CODE = """\
import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(sys.executable)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    below = [os.path.realpath(os.path.join(here, folder)) for folder in FOLDERS]
    path = [here, *(folder for folder in path if folder != here)]
    path += [folder for folder in below if folder not in path]
    os.environ["PATH"] = os.pathsep.join(path)
"""

# The same for scripts of packages, which say themselves what Python is to do.
_SCRIPT = b'#!/bin/sh\n\'\'\'exec\' "$(dirname "$(realpath "$0")")/python" "$0" "$@"\n\' \'\'\'\n'
_WINDOWS_SCRIPT = b"#!python\n"  # as in the wheel: Windows' own launcher of scripts reads it
_ABSOLUTE = re.compile(rb"#!(/|[A-Za-z]:\\)")
_LONG_START = b"#!/bin/sh\n'''exec' "
_LONG_END = b"\n' '''\n"

_MACOS_INTERPRETER = """\
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
_VENVSTACKS_DYLD_LIBRARY_PATH=${DYLD_LIBRARY_PATH+=$DYLD_LIBRARY_PATH}
DYLD_LIBRARY_PATH=FOLDERS${DYLD_LIBRARY_PATH:+:$DYLD_LIBRARY_PATH}
# tells CPython on macOS by which name it was started
__PYVENV_LAUNCHER__=$program
export _VENVSTACKS_DYLD_LIBRARY_PATH DYLD_LIBRARY_PATH __PYVENV_LAUNCHER__
exec "$here"PYTHON "$@"
"""


def launcher(point: EntryPoint, target: Target, configuration: Mapping[str, Any]) -> tuple[str, bytes]:
    """Make the launcher of a command, which is ``MODULE:OBJECT``, or of a ``MODULE``: always the same bytes.

    On POSIX it is a script that both sh and Python read; it finds ``python`` in its own folder, links to it
    resolved. On Windows it is a program that starts ``python.exe`` in its own folder with itself, since there is a
    zip file at its end. A script for cmd would not do: it takes arguments apart, and worker processes of
    ``multiprocessing`` could not read it.

    Programs that are started by it find the layer's own first on ``PATH``, and those of the layers below last.
    With ``isolated`` in the layer's configuration, Python ignores its variables, the user's site-packages and the
    current folder.
    """
    code = _code(point, target, [f"../{folder}" for folder in configuration.get("bin_dirs", ())])
    isolated = configuration.get("isolated", False)
    if target.is_windows:
        return f"{point.name}.exe", _windows_program(point, target, isolated=isolated) + _zip(code)
    return point.name, _LAUNCHER.replace("OPTION", "-I" if isolated else "-P").encode() + code


def _code(point: EntryPoint, target: Target, folders_below: Sequence[str]) -> bytes:
    lines = [_CODE.replace("FOLDERS", ascii(tuple(folders_below)))]
    if target.is_windows:  # as installers do: usage messages show the command as it is typed
        lines.append('    sys.argv[0] = sys.argv[0].removesuffix(".exe")\n')
    module, _, attribute = point.value.partition(":")
    if attribute:
        first, dot, rest = attribute.partition(".")
        lines.append(f"    from {module} import {first} as command\n\n    sys.exit(command{dot}{rest}())\n")
    else:  # what `python -m` calls: processes that it starts find the module, and not this script
        lines.append(f"    import runpy\n\n    runpy._run_module_as_main({module!a})\n")
    return "".join(lines).encode()


def _windows_program(point: EntryPoint, target: Target, *, isolated: bool) -> bytes:
    """Return the part before the zip file: a program that reads behind its own end which Python to start."""
    from installer.scripts import Script  # noqa: PLC0415 - only for Windows

    kind: LauncherKind = "win-arm64" if target.arch == "arm64" else "win-amd64"
    script = Script(point.name, "module", "object", "gui" if point.group == GUI else "console")
    _, whole = script.generate(f"{_BESIDE} -I" if isolated else _BESIDE, kind)
    return whole[: whole.rindex(b"PK\x03\x04")]  # its zip file carries the time of day


def _zip(code: bytes) -> bytes:
    stream = io.BytesIO()
    entry = ZipInfo("__main__.py")  # of 1980, as none is given
    entry.create_system = 3  # whatever this machine is
    entry.external_attr = 0o644 << 16
    with ZipFile(stream, "w") as archive:
        archive.writestr(entry, code)
    return stream.getvalue()


def launcher_of(layer: Layer) -> EntryPoint:
    """Return what the launcher of an application itself starts: its launch module."""
    return EntryPoint(layer.name, layer.launch_module.name if layer.launch_module else "", CONSOLE)


def launcher_inputs(layer: Layer, target: Target, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a layer's launchers beside what packages offer; nothing if it has none."""
    if layer.launch_module is None:
        return {}
    samples = [EntryPoint("name", "module:object", group) for group in (CONSOLE, GUI)]
    contents = [launcher(sample, target, configuration)[1] for sample in (*samples, launcher_of(layer))]
    return {
        "entry_points": layer.all_entry_points or list(layer.entry_points),
        "launchers": [sha256(content) for content in contents],
    }


def relocatable_script(path: Path, row: Row, target: Target) -> Row:
    """Replace the header of a Python script, which uv bound to its interpreter, by one that works everywhere.

    Programs, and scripts for other interpreters, are left as they are.
    """
    with path.open("rb") as file:
        if file.read(2) != b"#!":
            return row
    content = path.read_bytes()
    header = _WINDOWS_SCRIPT if target.is_windows else _SCRIPT
    if content.startswith(header):  # another package brings it as well, and it was replaced for that one
        return row_of(row.path, path)
    first = content.partition(b"\n")[0]
    if content.startswith(_LONG_START) and _LONG_END in content:
        body = content.partition(_LONG_END)[2]
    elif b"python" in re.split(rb"[/\\]", first)[-1] and _ABSOLUTE.match(first) and b"/env " not in first:
        body = content.partition(b"\n")[2]
    else:
        return row
    replace_file(path, header + body, executable=True)
    return row_of(row.path, path)


def macos_interpreter(layout: Layout, own: str, install_targets: Sequence[str]) -> str:
    """Write the interpreter of a layered environment on macOS whose files need shared libraries of other layers.

    The files themselves cannot be changed there, as that would break their signatures. So the loader finds out
    where to look through ``DYLD_LIBRARY_PATH``, and the layer's activation restores the environment, so that no
    child process hears of it. The program is a script for ``sh`` that starts no other program.

    ``own`` is the install target of the layer, the others are those whose libraries it needs.
    """
    up = "/.." * (layout.scripts.count("/") + 1)
    places = [up if name == own else f"{up}/../{name}" for name in install_targets]
    folders = ":".join(f"$here{_quote(f'{place}/{DYNLIB}')}" for place in places)
    python = _quote(f"{up}/{BASE}/{layout.python}")
    return _MACOS_INTERPRETER.replace("FOLDERS", folders).replace("PYTHON", python)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
