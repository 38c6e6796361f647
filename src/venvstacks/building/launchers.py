"""Programs that start a command, or an application, with the layer's own Python, wherever the layer lies."""

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, ZipInfo

from venvstacks.definition.stack import Layer
from venvstacks.platforms.targets import Target

if TYPE_CHECKING:
    from installer.scripts import LauncherKind

_BESIDE = "<launcher_dir>\\python.exe"  # which the launchers for Windows take for: in my own folder
_EPOCH = (1980, 1, 1, 0, 0, 0)

# A program for sh that is a string to Python. No path here begins with a hyphen, and busybox's realpath takes "--"
# for a name. With -P, what lies beside the script is not imported in the place of a package's module.
_HEADER = """\
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


@dataclass(frozen=True, slots=True)
class Command:
    """Something that a launcher starts.

    Attributes:
        name: What it is called.
        module: The module it is in.
        attribute: What is called there, with dots; empty if the module itself is run.
        is_gui: Whether it is for a graphical interface, and has no console on Windows.
    """

    name: str
    module: str
    attribute: str
    is_gui: bool


@dataclass(frozen=True, slots=True)
class Starting:
    """How a layer's launchers start.

    Attributes:
        target: Where they will run.
        below: The folders of programs of the layers below, in path order, relative to the layer's own.
        isolated: Whether Python ignores its variables, the user's site-packages and the current folder.
    """

    target: Target
    below: tuple[str, ...] = ()
    isolated: bool = False

    @property
    def option(self) -> str:
        """The option for Python."""
        return "-I" if self.isolated else "-P"


def launcher(command: Command, starting: Starting) -> tuple[str, bytes]:
    """Make a launcher: always the same bytes.

    On POSIX it is a script that both sh and Python read; it finds ``python`` in its own folder, links to it
    resolved. On Windows it is a program that starts ``python.exe`` in its own folder with itself, since there is a
    zip file at its end. A script for cmd would not do: it takes arguments apart, and worker processes of
    ``multiprocessing`` could not read it.

    Programs that are started by it find the layer's own first on ``PATH``, and those of the layers below last.
    """
    if starting.target.is_windows:
        return f"{command.name}.exe", _windows_program(command, starting) + _zipped(_code(command, starting))
    return command.name, _HEADER.replace("OPTION", starting.option).encode() + _code(command, starting)


def _code(command: Command, starting: Starting) -> bytes:
    lines = [_CODE.replace("FOLDERS", ascii(starting.below))]
    if starting.target.is_windows:  # as installers do: usage messages show the command as it is typed
        lines.append('    sys.argv[0] = sys.argv[0].removesuffix(".exe")\n')
    if command.attribute:
        first, dot, rest = command.attribute.partition(".")
        lines.append(
            f"    from {command.module} import {first} as command\n\n    sys.exit(command{dot}{rest}())\n"
        )
    else:  # what `python -m` calls: processes that it starts find the module, and not this script
        lines.append(f"    import runpy\n\n    runpy._run_module_as_main({command.module!a})\n")
    return "".join(lines).encode()


def _windows_program(command: Command, starting: Starting) -> bytes:
    """Return the part before the zip file: a program that reads behind its own end which Python to start."""
    from installer.scripts import Script  # noqa: PLC0415 - only for Windows

    kind: LauncherKind = "win-arm64" if starting.target.arch == "arm64" else "win-amd64"
    script = Script(command.name, "module", "object", "gui" if command.is_gui else "console")
    _, whole = script.generate(f"{_BESIDE} -I" if starting.isolated else _BESIDE, kind)
    return whole[: whole.rindex(b"PK\x03\x04")]  # its zip file carries the time of day


def _zipped(code: bytes) -> bytes:
    stream = io.BytesIO()
    entry = ZipInfo("__main__.py", _EPOCH)
    entry.create_system = 3  # whatever this machine is
    entry.external_attr = 0o644 << 16
    with ZipFile(stream, "w") as archive:
        archive.writestr(entry, code)
    return stream.getvalue()


def launcher_inputs(layer: Layer, starting: Starting) -> dict[str, Any]:
    """Return what decides a layer's launchers beside what packages offer; nothing if it has none."""
    if layer.launch_module is None:
        return {}
    samples = [Command("name", "module", "object", is_gui) for is_gui in (False, True)]
    samples.append(Command(layer.name, layer.launch_module.name, "", is_gui=False))
    contents = [launcher(sample, starting)[1] for sample in samples]
    return {
        "entry_points": layer.all_entry_points or list(layer.entry_points),
        "launchers": [hashlib.sha256(content).hexdigest() for content in contents],
    }
