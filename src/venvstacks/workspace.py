"""The build folder while one run works in it."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from venvstacks.errors import BusyError
from venvstacks.events import Observer, Waiting
from venvstacks.files import TEMPORARY_PREFIX, explain_os_error, remove_leftovers, remove_tree
from venvstacks.platforms.targets import TARGETS

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
    private = folder / PRIVATE_FOLDER
    with ExitStack() as stack:
        try:
            private.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_held(private / "lock", folder, wait=wait, observe=observe))
            for place in (folder, private, *(folder / name for name in TARGETS)):
                remove_leftovers(place)
            downloads = private / "pythons"
            if clean:
                remove_tree(downloads)
            scratch = private / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
            scratch.mkdir(mode=0o700)  # uv's projects may hold credentials of indexes
        except OSError as error:
            raise explain_os_error(error, f"use the build folder {folder}") from error
        stack.callback(_remove_scratch, scratch)
        yield Workspace(folder, downloads, scratch)


@contextmanager
def _held(file: Path, folder: Path, *, wait: bool, observe: Observer) -> Iterator[None]:
    from filelock import FileLock, Timeout  # noqa: PLC0415 - showing a stack needs no lock

    lock = FileLock(file)
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
        yield
    finally:
        lock.release()


def _remove_scratch(scratch: Path) -> None:
    with suppress(OSError):  # the next run removes it, and an error of the work itself is not hidden
        remove_tree(scratch)
