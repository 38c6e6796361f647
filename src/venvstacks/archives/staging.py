"""Placing a layer's tree: under its final name only when it is complete."""

import errno
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from venvstacks import files
from venvstacks.archives.entry_rules import case_clash, entry_problem
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.errors import ArchiveError

if sys.platform != "win32":
    import fcntl

_STALE = 24 * 3600.0  # seconds after which nobody is still at work, where that cannot be asked for


@dataclass(frozen=True, slots=True)
class DeployedLayer:
    """A layer's folder, complete and verified.

    Attributes:
        layer: Build name.
        source: The archive that it was unpacked from, or the delta that it was made with.
        path: The folder.
        created: False if it was there already.
        content_hash: Of everything in it.
    """

    layer: str
    source: Path
    path: Path
    created: bool
    content_hash: str


@contextmanager
def new_tree(
    destination: Path, entries: Sequence[IndexEntry], mtime: int, what: str, *, replace: bool = False
) -> Iterator[TreeWriter]:
    """Write a layer's tree; it appears under its name when the block ends well, and not at all otherwise."""
    if problem := entry_problem(entries, destination.name, windows=os.name == "nt"):
        raise ArchiveError(f"{what[:1].upper()}{what[1:]} is refused: {problem}.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with _own_folder(destination) as folder:
        try:
            _check_case(entries, folder, what)
            writer = TreeWriter(folder, entries, mtime, what)
            writer.begin()
            yield writer
            writer.finish()
            _put_in_place(folder, destination, replace=replace)
        except BaseException:
            files.remove_tree(folder)
            raise


def _put_in_place(folder: Path, destination: Path, *, replace: bool) -> None:
    if replace:
        files.replace_tree(folder, destination)
    elif os.path.lexists(destination):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(destination))
    else:
        folder.replace(destination)


def _check_case(entries: Sequence[IndexEntry], folder: Path, what: str) -> None:
    if (clash := case_clash(entries)) and _ignores_case(folder):
        raise ArchiveError(
            f"{what[:1].upper()}{what[1:]} is refused: {clash[0]!r} and {clash[1]!r} are one name on the file "
            f"system of {folder.parent}.",
            hint="unpack it on a file system that tells upper and lower case apart",
        )


def _ignores_case(folder: Path) -> bool:
    probe = folder / "probe"
    probe.touch()
    try:
        return (folder / "PROBE").exists()
    finally:
        probe.unlink()


@contextmanager
def _own_folder(destination: Path) -> Iterator[Path]:
    """Make a folder beside the final one that other runs see to be in use."""
    while True:
        folder = destination.with_name(f"{files.TEMPORARY_PREFIX}{secrets.token_hex(6)}")
        folder.mkdir()
        if sys.platform == "win32":
            yield folder
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.lexists(folder):  # else a run that cleans up took it for abandoned, just before
                yield folder
                return
        finally:
            os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished trees in a folder on which no run is at work any more."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name.startswith(files.TEMPORARY_PREFIX) and entry.is_dir() and not entry.is_symlink():
            _remove_if_abandoned(entry)


def _remove_if_abandoned(folder: Path) -> None:
    if sys.platform == "win32":
        if time.time() - folder.stat().st_mtime > _STALE:
            files.remove_tree(folder)
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.remove_tree(folder)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
