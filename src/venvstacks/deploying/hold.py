"""One run at a time changes a deployment: the others wait for it, or fail. Readers take no lock."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from venvstacks import files
from venvstacks.errors import BusyError, DeploymentError
from venvstacks.events import Observer, Waiting, Warned

if sys.platform != "win32":
    import fcntl

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def hold_deployment(root: Path, *, wait: bool, observe: Observer) -> Iterator[None]:
    """Hold a deployment's folder, made if it is not there, as long as the block runs.

    Programs that are started meanwhile do not hold it.

    Raises:
        BusyError: Another run holds the folder, and ``wait`` is false.
        DeploymentError: It may not be changed.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _hold(root / ".lock", root, wait=wait, observe=observe):
            _begin(root)
            yield
    except OSError as error:
        raise explain(error, root) from error


def explain(error: OSError, root: Path) -> Exception:
    """Turn an operating system's error into a message, with a word about whose folder it is."""
    if error.errno not in _REFUSED:
        return files.explain_os_error(error, f"change the deployment in {root}")
    hint = "choose another folder with --to, or make its file system writable"
    if error.errno != errno.EROFS:
        hint = f"run the command as {_owner(root)}, or choose another folder with --to"
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    return DeploymentError(f"The deployment in {root} cannot be changed: {reason}{where}.", hint=hint)


def _owner(root: Path) -> str:
    for folder in (root, *root.parents):
        with suppress(OSError, KeyError, NotImplementedError, ImportError):
            return f"{folder.owner()}, who owns {folder}"
    return "the user that owns it"


def _begin(root: Path) -> None:
    """Fail before anything is downloaded if the folder may not be changed, though its lock may."""
    if os.name == "posix" and not os.access(root, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(root))


def _busy(root: Path) -> BusyError:
    return BusyError(f"Another run is changing the deployment in {root}.", hint="wait until it ends")


if sys.platform == "win32":

    @contextmanager
    def _hold(file: Path, root: Path, *, wait: bool, observe: Observer) -> Iterator[None]:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - elsewhere, its import takes longer than the lock

        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout as busy:
            if not wait:
                raise _busy(root) from busy
            observe(Waiting(str(root)))
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

else:

    @contextmanager
    def _hold(file: Path, root: Path, *, wait: bool, observe: Observer) -> Iterator[None]:
        # whoever could open it could keep all others from changing anything
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o660)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as busy:
                if not wait:
                    raise _busy(root) from busy
                observe(Waiting(str(root)))
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                observe(
                    Warned(
                        f"The file system of {root} has no locks ({error.strerror}): "
                        "let only one run at a time change it."
                    )
                )
            yield
        finally:
            with suppress(OSError):  # a program that another thread is starting has the file open for an instant
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
