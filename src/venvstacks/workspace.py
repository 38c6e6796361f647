"""The build folder and the output folder while one run works in them."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from venvstacks.building.build_state import STATE_FILE
from venvstacks.errors import BusyError
from venvstacks.events import Observer, Waiting
from venvstacks.files import TEMPORARY_PREFIX, explain_os_errors, remove_leftovers, remove_tree
from venvstacks.platforms.targets import TARGETS

if sys.platform != "win32":
    import fcntl

PRIVATE_FOLDER = ".venvstacks"
"""In a build folder, what is kept between runs: a lock, and managed Pythons in ``pythons``."""


@contextmanager
def hold_workspace(folder: Path, *, wait: bool, observe: Observer) -> Iterator[Path]:
    """Hold a build folder, made if it is not there, and yield a folder for intermediate files, removed afterwards.

    Raises:
        BusyError: Another run holds the folder, and ``wait`` is false.
        FilesystemError: The folder cannot be made.
    """
    private = folder / PRIVATE_FOLDER
    with ExitStack() as stack:
        with explain_os_errors(f"use the build folder {folder}"):
            private.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_hold(private / "lock", folder, wait=wait, observe=observe))
            for place in (folder, private, *(folder / name for name in TARGETS)):
                remove_leftovers(place)
                for state in place.glob(f"*/{STATE_FILE}"):  # a layer's own is written beside its content
                    remove_leftovers(state.parent)
            scratch = private / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
            scratch.mkdir(mode=0o700)  # uv's projects may hold credentials of indexes
        stack.callback(_remove_scratch, scratch)
        yield scratch


@contextmanager
def hold_output(folder: Path, *, wait: bool, observe: Observer) -> Iterator[None]:
    """Take hold of the folder that archives or exports are written to, as of a build folder.

    The folder itself is locked where the system can do that, so that no file of ours lies among what is published.
    """
    with explain_os_errors(f"use the output folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        if sys.platform != "win32":
            descriptor = os.open(folder, os.O_RDONLY)
    if sys.platform == "win32":  # where the lock's file is removed with the lock
        with _hold(folder / f"{PRIVATE_FOLDER}-lock", folder, wait=wait, observe=observe, option="--output-dir"):
            yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            if not wait:
                raise _busy(folder, "--output-dir") from busy
            observe(Waiting(str(folder)))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # some network file systems cannot lock folders: work as one that is alone
        yield
    finally:
        os.close(descriptor)


def _busy(folder: Path, option: str) -> BusyError:
    return BusyError(f"Another run is using {folder}.", hint=f"wait until it ends, or use another {option}")


@contextmanager
def _hold(
    file: Path, folder: Path, *, wait: bool, observe: Observer, option: str = "--build-dir"
) -> Iterator[None]:
    from filelock import FileLock, Timeout  # noqa: PLC0415 - showing a stack needs no lock

    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout as busy:
        if not wait:
            raise _busy(folder, option) from busy
        observe(Waiting(str(folder)))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _remove_scratch(scratch: Path) -> None:
    with suppress(OSError):  # the next run removes it, and an error of the work itself is not hidden
        remove_tree(scratch)
