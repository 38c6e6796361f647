"""What a build records at the top of a layer's folder: what the folder holds, and what it was made of."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from venvstacks.documents import DocumentError, Numbered, read_json
from venvstacks.entries import Entry
from venvstacks.files import remove_leftovers, write_bytes
from venvstacks.findings import Finding
from venvstacks.libraries.linkage import NO_NATIVES, Natives

STATE_FILE = ".venvstacks-build.json"
"""Lies at the top of a built layer's folder and is shipped nowhere."""

_FORMAT = 1


class Data(msgspec.Struct, frozen=True):
    """What a layer has in its folders of data and programs, beside the links to layers below.

    Attributes:
        files: What its packages installed there: path relative to the layer -> hash in RECORD; sorted.
        others: Everything else there, as paths below which nothing belongs to a package; sorted.
        commands: What its packages offer as entry points: name -> what decides a launcher of it.
    """

    files: Mapping[str, str] = msgspec.field(default_factory=dict)
    others: tuple[str, ...] = ()
    commands: Mapping[str, str] = msgspec.field(default_factory=dict)


class Part(msgspec.Struct, frozen=True, gc=False):
    """A layer's part of a package that other layers may have parts of.

    Attributes:
        init: Hash of its ``__init__.py``; empty if there is nothing but comments in it. None if there is none,
            or if it is one of the old kind that looks for other parts itself.
        owners: Normalised names of the distributions that have files in it, sorted.
    """

    init: str | None
    owners: tuple[str, ...]


class BuildState(msgspec.Struct, frozen=True):
    """What a build left in a layer's folder.

    Attributes:
        format: Version of this file's form.
        inputs_hash: Hash of what decided the layer's content.
        entries: Everything that belongs to the layer, sorted by path.
        checked: Whether its packages found what they require, in it and the layers then below it.
        local_runtime: Of a runtime, whether an interpreter of this machine might serve.
        fits: Whether its native files were found to fit the target.
        natives: Its native files, as its packages brought them.
        data: Its data and programs.
        parts: Name of a package, with its parents' -> the layer's part of it.
        linking: Hash of what it takes from the layers below.
        findings: What may be wrong with it, as far as that was looked at.
        system_libraries: Names of the shared libraries that the target's system has to provide.
    """

    format: int
    inputs_hash: str
    entries: tuple[Entry, ...]
    checked: bool = False
    local_runtime: str = ""
    fits: bool = False
    natives: Natives = NO_NATIVES
    data: Data = Data()
    parts: Mapping[str, Part] = msgspec.field(default_factory=dict)
    linking: str = ""
    findings: tuple[Finding, ...] = ()
    system_libraries: tuple[str, ...] = ()


def new_state(inputs_hash: str, local_runtime: str, entries: tuple[Entry, ...]) -> BuildState:
    """Return the state of a layer whose packages are installed, with nothing else recorded yet."""
    return BuildState(_FORMAT, inputs_hash, entries, local_runtime=local_runtime)


def read_state(folder: Path) -> BuildState | None:
    """Return what the last build recorded in a layer's folder; None if there is nothing that can be read."""
    try:
        state = read_json(folder / STATE_FILE, BuildState)
    except (OSError, DocumentError):
        return None
    return state if state.format == _FORMAT else None


def write_state(folder: Path, state: BuildState) -> None:
    """Record in a finished folder what it holds."""
    remove_leftovers(folder)  # of a run that was interrupted just here
    write_bytes(folder / STATE_FILE, msgspec.json.encode(state))


def other_version(folder: Path) -> str:
    """Return which other version of venvstacks made a folder, where nobody else puts files; empty if none did.

    What 0.8 knows of a layer lies beside its folder: a record of the last build, and what it was locked with.
    """
    beside = (f"{folder.name}.last-build.json", f"{folder.name}_resolve/pyproject.toml")
    if any((folder.parent / name).is_file() for name in beside):
        return "venvstacks 0.8"
    try:
        numbered = read_json(folder / STATE_FILE, Numbered)
    except (OSError, DocumentError):
        return ""
    return "" if numbered.format == _FORMAT else "another version of venvstacks"
