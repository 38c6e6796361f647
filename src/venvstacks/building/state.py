"""Whether a layer's folder is what a build left there."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from venvstacks.building.build_plan import LayerBuild
from venvstacks.building.joining import Part
from venvstacks.building.showing import NO_DATA, Data
from venvstacks.definition.stack import Bytecode
from venvstacks.documents import DocumentError, read_json
from venvstacks.entries import Entry, EntryKind, is_bytecode, scan
from venvstacks.errors import BuildError
from venvstacks.files import TEMPORARY_PREFIX, remove_leftovers, write_bytes
from venvstacks.findings import Finding
from venvstacks.libraries.linkage import NO_NATIVES, Natives
from venvstacks.platforms.targets import Target

STATE_FILE = ".venvstacks-build.json"
"""Stands at the top of a built layer's folder and is shipped nowhere."""

_FORMAT = 1
_SHOWN = 5
# Hidden names at the top that may come and go: our own, and what desktops leave in folders they show.
_OVERLOOKED = {STATE_FILE, ".DS_Store", ".directory"}


class State(msgspec.Struct, frozen=True):
    """What a build left.

    Attributes:
        format: Version of this file's form.
        inputs_hash: Hash of what decided the layer's content.
        entries: Everything that belongs to the layer, sorted by path.
        checked: Whether its packages were found to see what they require, with the layers then below it.
        local_runtime: Of a runtime, whether an interpreter of this machine might serve.
        fits: Whether its native files were found to fit the target.
        natives: Its native files, as its packages brought them.
        data: Its data and programs, beside what it shows of the layers below.
        parts: The packages of which other layers may have parts.
        linking: Hash of what it takes from the layers below.
        findings: What may be wrong with it, as far as that was looked at.
        system_libraries: Names of the shared libraries that the target's system has to bring.
    """

    format: int
    inputs_hash: str
    entries: tuple[Entry, ...]
    checked: bool = False
    local_runtime: str = ""
    fits: bool = False
    natives: Natives = NO_NATIVES
    data: Data = NO_DATA
    parts: Mapping[str, Part] = msgspec.field(default_factory=dict)
    linking: str = ""
    findings: tuple[Finding, ...] = ()
    system_libraries: tuple[str, ...] = ()


class _Numbered(msgspec.Struct, frozen=True):
    """What every form of a state begins with."""

    format: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What stands in a layer's folder.

    Attributes:
        entries: What belongs to the layer; empty if it has to be built.
        reason: Why the layer has to be built; empty if it need not.
        checked: Whether its packages see what they require.
        local_runtime: Of a runtime, whether an interpreter of this machine might serve when it was built.
        fits: Whether its native files were found to fit the target.
        natives: Its native files, as its packages brought them.
        data: Its data and programs, beside what it shows of the layers below.
        parts: The packages of which other layers may have parts.
        linking: Hash of what it takes from the layers below.
        bytecode: Whether what stands there holds its modules compiled; None if nothing does.
        findings: What may be wrong with it, as far as that was looked at.
        system_libraries: Names of the shared libraries that the target's system has to bring.
    """

    entries: tuple[Entry, ...]
    reason: str
    checked: bool = False
    local_runtime: str = ""
    fits: bool = False
    natives: Natives = NO_NATIVES
    data: Data = NO_DATA
    parts: Mapping[str, Part] = field(default_factory=dict)
    linking: str = ""
    bytecode: Bytecode | None = None
    findings: tuple[Finding, ...] = ()
    system_libraries: tuple[str, ...] = ()


def layer_entries(folder: Path, target: Target, *, bytecode: Collection[str] = frozenset()) -> tuple[Entry, ...]:
    """List what belongs to a layer: everything but hidden entries at the top, and bytecode that is not shipped."""
    entries = tuple(entry for entry in _scan(folder, target, bytecode) if not entry.path.startswith("."))
    if target.is_windows and (link := next((e for e in entries if e.kind is EntryKind.SYMLINK), None)):
        raise ValueError(f"{folder / link.path} is a symbolic link, which layers for Windows cannot hold")
    return entries


def _scan(folder: Path, target: Target, bytecode: Collection[str]) -> tuple[Entry, ...]:
    """List a folder. On Windows a file's name tells whether it is a program, whatever the building host says."""
    entries = scan(folder, bytecode=bytecode)
    if not target.is_windows:
        return entries
    return tuple(
        entry
        if entry.kind is not EntryKind.FILE
        else msgspec.structs.replace(entry, executable=_is_windows_program(entry.path))
        for entry in entries
    )


def _is_windows_program(path: str) -> bool:
    return path.lower().endswith((".exe", ".bat", ".cmd", ".com"))


def write_state(folder: Path, build: LayerBuild, found: Inspection) -> None:
    """Record in a finished folder what it holds, and what of."""
    remove_leftovers(folder)  # of a run that was interrupted just here
    state = State(
        format=_FORMAT,
        inputs_hash=build.inputs_hash,
        entries=found.entries,
        checked=found.checked,
        local_runtime=build.local_runtime,
        fits=found.fits,
        natives=found.natives,
        data=found.data,
        parts=found.parts,
        linking=found.linking,
        findings=found.findings,
        system_libraries=found.system_libraries,
    )
    write_bytes(folder / STATE_FILE, msgspec.json.encode(state))


def built_with(build: LayerBuild) -> str:
    """Return which ``local-runtime`` a runtime was built with, or would be if it were built."""
    state = _read_state(build.folder)
    return build.local_runtime if state is None else state.local_runtime


def recorded(build: LayerBuild) -> State | None:
    """Return what was recorded of a layer that is built from its present inputs; None if it is not."""
    state = _read_state(build.folder)
    return state if state is not None and state.inputs_hash == build.inputs_hash else None


def inspect(build: LayerBuild) -> Inspection:
    """Compare a layer's folder with what a build left there."""
    folder = build.folder
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return Inspection((), "it is not built yet")
    state = _read_state(folder)
    if state is None and (maker := _other_version(folder)):
        return Inspection((), f"it was built by {maker}")
    if state is None:
        raise BuildError(
            f"{build.headline} cannot be built: {folder} is there and was not made by venvstacks.",
            hint="move it away, or choose another folder with --build-dir",
        )
    known = {entry.path: entry for entry in state.entries}
    shipped = {path for path in known if is_bytecode(path)}
    present, foreign = _present(build, shipped)
    changed = {p for p, entry in present.items() if known.get(p) != entry and _is_content(entry, known)}
    foreign += changed - shipped
    if foreign:
        raise _foreign(build, sorted(foreign))
    bytecode: Bytecode = "ship" if shipped else "none"
    reason = ""
    if known.keys() - present.keys():
        reason = "some of its files are gone"
    elif changed:  # by compileall, for example, which is nobody's work
        reason = "its bytecode was changed"
    elif state.inputs_hash != build.inputs_hash:
        reason = "its inputs have changed"
        if bytecode != build.bytecode:
            reason = f"it was built with bytecode = {bytecode!r}"
    if reason:
        return Inspection((), reason, bytecode=bytecode)
    return Inspection(
        entries=state.entries,
        reason="",
        checked=state.checked,
        local_runtime=state.local_runtime,
        fits=state.fits,
        natives=state.natives,
        data=state.data,
        parts=state.parts,
        linking=state.linking,
        bytecode=bytecode,
        findings=state.findings,
        system_libraries=state.system_libraries,
    )


def _other_version(folder: Path) -> str:
    """Describe which other version of venvstacks made a folder, where nobody else puts files; empty if none did.

    What 0.8 knows of a layer stands beside its folder: a record of the last build, and what it was locked with.
    """
    beside = (f"{folder.name}.last-build.json", f"{folder.name}_resolve/pyproject.toml")
    if any((folder.parent / name).is_file() for name in beside):
        return "venvstacks 0.8"
    try:
        numbered = read_json(folder / STATE_FILE, _Numbered)
    except (OSError, DocumentError):
        return ""
    return "" if numbered.format == _FORMAT else "another version of venvstacks"


def _present(build: LayerBuild, bytecode: Collection[str]) -> tuple[dict[str, Entry], list[str]]:
    """Return what belongs to a layer, and what was put beside it at the top under hidden names."""
    try:
        entries = _scan(build.folder, build.target, bytecode)
    except ValueError as error:
        raise BuildError(f"{build.headline} is left as it is: {error}.", hint="move it away") from error
    hidden = [entry.path for entry in entries if entry.path.startswith(".") and "/" not in entry.path]
    foreign = [name for name in hidden if name not in _OVERLOOKED and not name.startswith(TEMPORARY_PREFIX)]
    return {entry.path: entry for entry in entries if not entry.path.startswith(".")}, foreign


def _is_content(entry: Entry, known: dict[str, Entry]) -> bool:
    """Distinguish new or changed content from a folder that was there and still is."""
    return entry.kind is not EntryKind.FOLDER or entry.path not in known


def _foreign(build: LayerBuild, paths: list[str]) -> BuildError:
    listed = "".join(f"\n  - {path}" for path in paths[:_SHOWN])
    more = f"\n  and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return BuildError(
        f"{build.headline} is left as it is: files in {build.folder} were added or changed "
        f"since it was built.{listed}{more}",
        hint="move what you want to keep, then build with --clean to make the layer anew",
    )


def _read_state(folder: Path) -> State | None:
    try:
        state = read_json(folder / STATE_FILE, State)
    except (OSError, DocumentError):
        return None
    return state if state.format == _FORMAT else None
