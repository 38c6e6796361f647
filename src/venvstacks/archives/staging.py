"""Staging a layer's tree: it gets its final name only when it is complete."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from venvstacks import files
from venvstacks.archives.entry_rules import case_clash, entry_problem
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.errors import ArchiveError

if sys.platform != "win32":
    import fcntl


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
    """Write a layer's tree; it appears under its name when the block ends well, and not at all otherwise.

    ``what`` is how messages begin that name where the contents come from: ``The archive app.tar.zst``.
    """
    if problem := entry_problem(entries, destination.name, windows=os.name == "nt"):
        raise ArchiveError(f"{what} is refused: {problem}.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with own_folder(destination) as folder:
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
            f"{what} is refused: {clash[0]!r} and {clash[1]!r} are one name on the file "
            f"system of {folder.parent}.",
            hint="unpack it on a file system that distinguishes upper and lower case",
        )


def _ignores_case(folder: Path) -> bool:
    probe = folder / "probe"
    probe.touch()
    try:
        return (folder / "PROBE").exists()
    finally:
        probe.unlink()


@contextmanager
def own_folder(destination: Path) -> Iterator[Path]:
    """Make a folder beside the final one, locked so that other runs see it in use; it stays."""
    while True:
        folder = files.temporary_beside(destination)
        folder.mkdir()
        with _try_lock(folder) as locked:
            if locked and os.path.lexists(folder):  # else a run that cleans up took it for abandoned, just before
                yield folder
                return


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished trees in a folder on which no run is at work any more."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name.startswith(files.TEMPORARY_PREFIX) and entry.is_dir() and not entry.is_symlink():
            with _try_lock(entry) as locked:
                if locked:
                    files.remove_tree(entry)


@contextmanager
def _try_lock(folder: Path) -> Iterator[bool]:
    """Lock a folder as long as the block runs; yield False if another run has locked or removed it."""
    with ExitStack() as stack:
        if sys.platform == "win32":  # where no folder can be locked, and the lock's file is removed with the lock
            from filelock import FileLock, Timeout  # noqa: PLC0415 - elsewhere, its import takes longer than the lock

            try:
                stack.enter_context(FileLock(f"{folder}.lock", timeout=0))
            except Timeout:
                yield False
                return
        else:
            try:
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (FileNotFoundError, BlockingIOError):
                yield False
                return
        yield True
