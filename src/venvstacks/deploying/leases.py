"""Which layers are in use: a process that runs from a layer holds a shared lock on its lease.

The layer itself takes it (``payload/activate.py``), and the system releases it when the process ends, however that
ends. Layers that were built by versions that did not know of leases take none.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from venvstacks.deploying.places import LayerPlace

if sys.platform != "win32":
    import fcntl


class Use(StrEnum):
    """Whether a process runs from a layer."""

    FREE = "free"
    HELD = "held"
    UNKNOWN = "unknown"
    """The file system has no locks."""


def is_leased(place: LayerPlace) -> bool:
    """Tell whether a process runs from a layer; also if that cannot be known."""
    with hold_alone([place.lease]) as use:
        return use is not Use.FREE


@contextmanager
def hold_alone(leases: Iterable[Path]) -> Iterator[Use]:
    """Hold leases as long as the block runs, so that no process can take them; yield whether that succeeded."""
    with ExitStack() as stack:
        uses = {_take(lease, stack) for lease in leases}
        yield next((use for use in (Use.HELD, Use.UNKNOWN) if use in uses), Use.FREE)


def mark_used(leases: Iterable[Path]) -> None:
    """Note on leases that they are in use now, for file systems without locks."""
    for lease in leases:
        with suppress(OSError):  # it only helps where nothing better does
            os.utime(lease)


def last_used(lease: Path) -> float:
    """Return when a lease was last noted to be in use, or made: seconds since 1970."""
    try:
        return lease.stat().st_mtime
    except OSError:
        return 0.0


if sys.platform == "win32":

    def _take(lease: Path, stack: ExitStack) -> Use:
        """Tell whether a file is open: it has no other name then, nor the same again."""
        del stack
        try:
            lease.rename(lease)
        except FileNotFoundError:
            return Use.FREE
        except OSError:
            return Use.HELD
        return Use.FREE

else:

    def _take(lease: Path, stack: ExitStack) -> Use:
        try:
            descriptor = os.open(lease, os.O_RDWR)  # for NFS, where only who may write may lock others out
        except FileNotFoundError:
            return Use.FREE
        except OSError:
            return Use.UNKNOWN
        stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Use.HELD
        except OSError:
            return Use.UNKNOWN
        # a program that another thread is starting has the file open for an instant
        stack.callback(fcntl.flock, descriptor, fcntl.LOCK_UN)
        return Use.FREE
