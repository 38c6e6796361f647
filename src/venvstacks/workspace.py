"""The build folder while one run works in it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from venvstacks.errors import BusyError
from venvstacks.events import Observer, Waiting
from venvstacks.files import TEMPORARY_PREFIX, explain_os_error, remove_leftovers, remove_tree

PRIVATE_FOLDER = ".venvstacks"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A build folder that belongs to this run alone.

    Attributes:
        folder: The build folder, absolute.
        downloads: Where managed Pythons are kept between runs.
        scratch: A folder for intermediate files; gone after the run.
    """

    folder: Path
    downloads: Path
    scratch: Path


@contextmanager
def workspace(folder: Path, *, clean: bool, wait: bool, observe: Observer) -> Iterator[Workspace]:
    """Take hold of a build folder.

    Args:
        folder: The build folder, absolute; made if it does not exist.
        clean: Whether to forget what earlier runs kept beside the layers.
        wait: Whether to wait for another run that holds the folder.
        observe: Told when that is so.

    Raises:
        BusyError: Another run holds the folder, and ``wait`` is false.
        FilesystemError: The folder cannot be made.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - showing a stack needs no lock

    private = folder / PRIVATE_FOLDER
    try:
        private.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, f"use the build folder {folder}") from error
    lock = FileLock(private / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as busy:
        if not wait:
            raise BusyError(
                f"Another run is at work in {folder}.",
                hint="wait for it to end, or give this one its own --build-dir",
            ) from busy
        observe(Waiting(str(folder)))
        lock.acquire()
    try:
        remove_leftovers(folder)
        remove_leftovers(private)
        downloads = private / "pythons"
        if clean:
            remove_tree(downloads)
        scratch = private / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
        scratch.mkdir()
        try:
            yield Workspace(folder, downloads, scratch)
        finally:
            remove_tree(scratch)
    finally:
        lock.release()
