"""Whether layers' folders are what builds left there."""

import os
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from venvstacks.building.build_state import STATE_FILE, BuildState, other_version
from venvstacks.building.layer_build import LayerBuild, LayerKey, built_state
from venvstacks.building.layer_links import links_changed
from venvstacks.definition.stack import Bytecode
from venvstacks.entries import Entry, EntryKind, is_bytecode, scan
from venvstacks.errors import BuildError
from venvstacks.files import TEMPORARY_PREFIX
from venvstacks.humanize import bullets
from venvstacks.platforms.targets import Target

_SHOWN = 5
_WINDOWS_PROGRAMS = (".exe", ".bat", ".cmd", ".com")
# Hidden names at the top that may come and go: our own, and what desktops leave in folders they show.
_OVERLOOKED = {STATE_FILE, ".DS_Store", ".directory"}
_RELINKED = "what it uses of the layers below has changed"


def inspect_layers(builds: Sequence[LayerBuild], *, clean: bool) -> dict[LayerKey, str]:
    """Return for each layer why it has to be built; empty if what is in its folder can be kept.

    A folder that is not what a build left there (with ``clean``: not a layer's at all) is an error.
    """
    reasons = {build.key: _choose_reason(build, clean=clean) for build in builds}
    kept = {build.key: build for build in builds if not reasons[build.key]}
    return {
        build.key: _RELINKED if build.key in kept and links_changed(build, kept) else reasons[build.key]
        for build in builds
    }


def _choose_reason(build: LayerBuild, *, clean: bool) -> str:
    if clean and (build.folder / STATE_FILE).is_file():
        return "a clean build is wanted"
    reason = _inspect(build)
    if not reason and build.state is not None and build.state.local_runtime != build.local_runtime:
        return f"it was built with local-runtime = {build.state.local_runtime!r}"
    return reason


def check_built(builds: Sequence[LayerBuild], keys: Collection[LayerKey]) -> None:
    """Ensure that the layers with these keys are built and current; ``builds`` has them and all below them."""
    built = {build.key: build for build in builds if built_state(build) is not None}
    for build in (each for each in builds if each.key in keys):
        state = build.state
        reason, alone = _inspect(build), ""
        if not reason and links_changed(build, built):
            reason = _RELINKED
        if not reason and (state is None or not state.checked):
            reason = "its build failed before the requirements of its packages were checked"
            alone = f" --include {shlex.quote(build.layer.build_name)}"  # another layer may be what failed
        if reason:
            is_alike = state is None or _bytecode_in(state) == build.bytecode
            other = "" if is_alike else "use the --bytecode value that the layer was built with, or "
            raise BuildError(
                f"{build.headline} in {build.folder} cannot be used: {reason}.",
                hint=f"{other}run `venvstacks build{alone}` first",
            )


def _inspect(build: LayerBuild) -> str:
    """Return why what is in a layer's folder cannot be used; empty if it can."""
    folder, state = build.folder, build.state
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return "it is not built yet"
    if state is None:
        if version := other_version(folder):
            return f"it was built by {version}"
        raise BuildError(
            f"{build.headline} cannot be built: {folder} exists and was not created by venvstacks.",
            hint="move it away, or choose another folder with --build-dir",
        )
    known = {entry.path: entry for entry in state.entries}
    shipped = {path for path in known if is_bytecode(path)}
    present, foreign = _present(build, shipped)
    changed = {p for p, entry in present.items() if known.get(p) != entry and _is_content(entry, known)}
    foreign += changed - shipped
    if foreign:
        raise BuildError(
            f"{build.headline} is left as it is: files in {folder} were added or changed "
            f"since it was built.{bullets(sorted(foreign), _SHOWN)}",
            hint="move what you want to keep, then build with --clean to rebuild the layer",
        )
    if known.keys() - present.keys():
        return "some of its files are gone"
    if changed:  # by compileall, for example, which is nobody's work
        return "its bytecode was changed"
    if state.inputs_hash == build.inputs_hash:
        return ""
    bytecode = _bytecode_in(state)
    return (
        "its inputs have changed" if bytecode == build.bytecode else f"it was built with bytecode = {bytecode!r}"
    )


def _bytecode_in(state: BuildState) -> Bytecode:
    """Return whether a built layer holds its modules compiled."""
    return "ship" if any(is_bytecode(entry.path) for entry in state.entries) else "none"


def layer_entries(folder: Path, target: Target, *, bytecode: Collection[str] = frozenset()) -> tuple[Entry, ...]:
    """List what belongs to a layer: everything but hidden entries at the top, and bytecode that is not shipped."""
    entries = tuple(entry for entry in _scan(folder, target, bytecode) if not entry.path.startswith("."))
    if target.is_windows and (link := next((e for e in entries if e.type is EntryKind.SYMLINK), None)):
        raise ValueError(f"{folder / link.path} is a symbolic link, which layers for Windows cannot contain")
    return entries


def _scan(folder: Path, target: Target, bytecode: Collection[str]) -> tuple[Entry, ...]:
    """List a folder. On Windows a file's name decides whether it is a program, whatever the building host says."""
    entries = scan(folder, bytecode=bytecode)
    if not target.is_windows:
        return entries
    return tuple(
        entry
        if entry.type is not EntryKind.FILE
        else msgspec.structs.replace(entry, executable=entry.path.lower().endswith(_WINDOWS_PROGRAMS))
        for entry in entries
    )


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
    return entry.type is not EntryKind.FOLDER or entry.path not in known
