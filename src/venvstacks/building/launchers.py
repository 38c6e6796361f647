"""Programs that start a package's command with the layer's own Python, wherever the layer lies."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, ZipInfo

from venvstacks.building.excluding import installed_wheels
from venvstacks.building.scripts import SAFE_HEADER
from venvstacks.locking.model import LayerLock
from venvstacks.platforms.targets import Target
from venvstacks.spec.model import Layer

if TYPE_CHECKING:
    from installer.scripts import LauncherKind

_BESIDE = "<launcher_dir>\\python.exe"  # which the launchers for Windows take for: in my own folder
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Command:
    """An entry point of a package that is a command.

    Attributes:
        name: What it is called.
        module: The module it is in.
        attribute: What is called there, with dots.
        is_gui: Whether it is for a graphical interface, and has no console on Windows.
    """

    name: str
    module: str
    attribute: str
    is_gui: bool


def launcher(command: Command, target: Target) -> tuple[str, bytes]:
    """Make the launcher of a command: always the same bytes.

    On POSIX it is a script that both sh and Python read; it finds ``python`` in its own folder, links to it
    resolved. On Windows it is a program that starts ``python.exe`` in its own folder with itself, since there is a
    zip file at its end. A script for cmd would not do: it takes arguments apart, and worker processes of
    ``multiprocessing`` could not read it.

    Args:
        command: The command.
        target: Where it will run.

    Returns:
        The file's name and its content.
    """
    if target.is_windows:
        return f"{command.name}.exe", _windows_program(command, target) + _zipped(_code(command, ".exe"))
    return command.name, SAFE_HEADER + _code(command, "")


def _code(command: Command, ending: str) -> bytes:
    first, dot, rest = command.attribute.partition(".")
    lines = [
        "import sys",
        "",
        'if __name__ == "__main__":',
        f"    from {command.module} import {first} as command",
        "",
        f"    sys.exit(command{dot}{rest}())",
        "",
    ]
    if ending:  # as installers do: usage messages show the command as it is typed
        lines.insert(5, f'    sys.argv[0] = sys.argv[0].removesuffix("{ending}")')
    return "\n".join(lines).encode()


def _windows_program(command: Command, target: Target) -> bytes:
    """Give the part before the zip file: a program that reads behind its own end which Python to start."""
    from installer.scripts import Script  # noqa: PLC0415 - only for Windows

    kind: LauncherKind = "win-arm64" if target.arch == "arm64" else "win-amd64"
    script = Script(command.name, command.module, command.attribute, "gui" if command.is_gui else "console")
    _, whole = script.generate(_BESIDE, kind)
    return whole[: whole.rindex(b"PK\x03\x04")]  # its zip file carries the time of day


def _zipped(code: bytes) -> bytes:
    stream = io.BytesIO()
    entry = ZipInfo("__main__.py", _EPOCH)
    entry.create_system = 3  # whatever this machine is
    entry.external_attr = 0o644 << 16
    with ZipFile(stream, "w") as archive:
        archive.writestr(entry, code)
    return stream.getvalue()


def launcher_inputs(layer: Layer, target: Target, below: Sequence[tuple[Layer, LayerLock]]) -> dict[str, Any]:
    """Give what decides a layer's launchers beside what it installs itself; nothing if it has none.

    Args:
        layer: The layer.
        target: The target.
        below: The layers below with their locks, in path order.
    """
    if not (layer.entry_points or layer.all_entry_points):
        return {}
    samples = [launcher(Command("name", "module", "object", is_gui), target) for is_gui in (False, True)]
    wheels = [
        [wheel.filename, wheel.sha256]
        for lower, lock in (below if layer.entry_points else ())
        for _, wheel in installed_wheels(lower, lock, target)
    ]
    return {
        "entry_points": layer.all_entry_points or list(layer.entry_points),
        "launchers": [hashlib.sha256(content).hexdigest() for _, content in samples],
        "wheels_below": wheels,
    }
