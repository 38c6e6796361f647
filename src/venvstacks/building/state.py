"""Whether a layer's folder is what a build left there."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from venvstacks.building.plan import LayerBuild
from venvstacks.errors import BuildError
from venvstacks.trees import Entry, scan

STATE_FILE = ".venvstacks-build.json"
"""Stands at the top of a built layer's folder and is shipped nowhere."""

_FORMAT = 1
_SHOWN = 5


class State(msgspec.Struct, frozen=True):
    """What a build left.

    Attributes:
        format: Version of this file's form.
        inputs_hash: Hash of what decided the layer's content.
        entries: Everything that belongs to the layer, sorted by path.
    """

    format: int
    inputs_hash: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What stands in a layer's folder.

    Attributes:
        entries: What belongs to the layer; empty if it has to be built.
        reason: Why the layer has to be built; empty if it need not.
    """

    entries: tuple[Entry, ...]
    reason: str


def layer_entries(folder: Path) -> tuple[Entry, ...]:
    """List what belongs to a layer: everything but bytecode and hidden entries at the top."""
    return tuple(entry for entry in scan(folder) if not entry.path.startswith("."))


def write_state(folder: Path, inputs_hash: str) -> None:
    """Record in a finished folder what it holds."""
    state = State(_FORMAT, inputs_hash, layer_entries(folder))
    (folder / STATE_FILE).write_bytes(msgspec.json.encode(state))


def inspect(build: LayerBuild) -> Inspection:
    """Compare a layer's folder with what a build left there.

    Raises:
        BuildError: Somebody else put files there or changed some; building would lose them.
    """
    folder = build.folder
    if not folder.exists() or not any(folder.iterdir()):
        return Inspection((), "it is not built yet")
    state = _read_state(folder)
    if state is None:
        raise BuildError(
            f"{build.layer.title.capitalize()} cannot be built: {folder} is there and was not made by venvstacks.",
            hint="move that folder away, or choose another one with --build-dir",
        )
    present = {entry.path: entry for entry in layer_entries(folder)}
    known = {entry.path: entry for entry in state.entries}
    foreign = [path for path, entry in present.items() if known.get(path) != entry and _is_content(entry, known)]
    if foreign:
        raise _foreign(build, foreign)
    if known.keys() - present.keys():
        return Inspection((), "some of its files are gone")
    if state.inputs_hash != build.inputs_hash:
        return Inspection((), "its inputs have changed")
    return Inspection(state.entries, "")


def _is_content(entry: Entry, known: dict[str, Entry]) -> bool:
    return entry.kind != "folder" or entry.path not in known


def _foreign(build: LayerBuild, paths: list[str]) -> BuildError:
    listed = "".join(f"\n  - {path}" for path in paths[:_SHOWN])
    more = f"\n  and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return BuildError(
        f"{build.layer.title.capitalize()} is left as it is: files in {build.folder} were added or changed "
        f"since it was built.{listed}{more}",
        hint="move what you want to keep, then build with --clean to make the layer anew",
    )


def _read_state(folder: Path) -> State | None:
    try:
        state = msgspec.json.decode((folder / STATE_FILE).read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return None
    return state if state.format == _FORMAT else None
