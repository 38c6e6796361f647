"""Start an application of a stack that lies in a folder."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import RunError
from venvstacks.files import explain_os_errors
from venvstacks.payload.activate import is_missed
from venvstacks.processes import become

CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"
"""In a layer, what it says of itself."""

_PREFIX = "app-"


class Configuration(msgspec.Struct, frozen=True):
    """The part of a layer's configuration that starting it needs; paths are relative to the layer."""

    python: str
    base_python: str
    launch_module: str
    pylib_dirs: tuple[str, ...]
    bin_dirs: tuple[str, ...] = ()
    isolated: bool = False
    optional_layers: Mapping[str, Mapping[str, tuple[str, ...]]] = msgspec.field(default_factory=dict)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the interpreter is given before the application's own arguments.

        With ``-P``, what lies in the current folder does not hide the application's own modules.
        """
        return ("-I" if self.isolated else "-P", "-m", self.launch_module)

    def missing(self, layer: Path) -> list[str]:
        """Return what is needed of other layers and is not there, unless another layer replaces it."""
        parts = (self.base_python, *self.pylib_dirs)
        missing = [part for part in parts if not (layer / part).exists()]  # from where the layer really is
        present = {_layer_of(part) for part in parts if part not in missing}
        return [part for part in missing if is_missed(self.optional_layers, _layer_of(part), present)]


def run_application(
    folder: Path, name: str, arguments: Sequence[str], *, built: bool, warn: Callable[[str], None]
) -> int:
    """Let an application take the place of this process."""
    layer = _find(folder, name, built=built)
    configuration = read_configuration(layer)
    for part in configuration.missing(layer):
        raise RunError(
            f"{layer.name} cannot run: there is no {part} (as seen from it) in {folder}.",
            hint="run `venvstacks build` again" if built else "unpack or export all layers of the stack there",
        )
    python = Path(os.path.abspath(layer / configuration.python))  # noqa: PTH100 - links are kept
    below = [layer / folder for folder in configuration.bin_dirs]
    return start(layer.name, python, [*configuration.arguments, *arguments], below, warn)


def start(
    name: str, python: Path, arguments: Sequence[str], below: Sequence[Path], warn: Callable[[str], None]
) -> int:
    """Let an interpreter take the place of this process; ``below`` are folders with programs, last on ``PATH``."""
    with explain_os_errors(f"start {name}"):
        return become([str(python), *arguments], env=_environment(python.parent, below, warn))


def _environment(own: Path, below: Sequence[Path], warn: Callable[[str], None]) -> dict[str, str]:
    """Return the environment: on ``PATH`` its own programs come first, those of the layers below last."""
    environ = dict(os.environ)
    if environ.pop("PYTHONHOME", None) is not None:
        warn("PYTHONHOME is set, which is of no use to an application: it starts without it.")
    path = [
        str(own),
        *(folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder != str(own)),
    ]
    path += [folder for folder in map(os.path.realpath, below) if folder not in path]
    return {**environ, "PATH": os.pathsep.join(path)}


def find_applications(folder: Path) -> tuple[str, ...]:
    """Return the names of the applications that lie in a folder, sorted; with ``@N`` for versioned ones."""
    found = (path for path in folder.glob(f"{_PREFIX}*") if _is_layer(path) and not path.is_symlink())
    return tuple(sorted(path.name.removeprefix(_PREFIX) for path in found))


def _is_layer(path: Path) -> bool:
    return (path / CONFIGURATION).is_file()


def _find(folder: Path, name: str, *, built: bool) -> Path:
    for build_name in (name, f"{_PREFIX}{name}"):
        layer = folder / build_name
        if layer.name == build_name and build_name.startswith(_PREFIX) and _is_layer(layer):
            return layer
        versions = [path for path in folder.glob(f"{_PREFIX}*@*") if path.name.rpartition("@")[0] == build_name]
        numbered = [path for path in versions if path.name.rpartition("@")[2].isdecimal() and _is_layer(path)]
        if numbered:
            return max(numbered, key=lambda path: int(path.name.rpartition("@")[2]))
    found = find_applications(folder)
    there = f"it has {', '.join(found)}" if found else "it has none"
    hint = "run `venvstacks build` first" if built else "export or unpack the stack there first"
    raise RunError(f"There is no application {name!r} in {folder}: {there}.", hint=None if found else hint)


def _layer_of(part: str) -> str:
    return part.removeprefix("../").partition("/")[0]


def read_configuration(layer: Path) -> Configuration:
    """Read how the application in a layer is started.

    Raises:
        RunError: What the layer says of itself is damaged.
    """
    path = layer / CONFIGURATION
    try:
        return read_json(path, Configuration)
    except (OSError, DocumentError) as error:
        raise RunError(f"{layer.name} cannot run: {path} is damaged ({error}).") from error
