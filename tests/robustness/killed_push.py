"""Pushes, promotes or prunes in stores that are folders, in processes that kill themselves at given moments.

Arguments: the step, the keys folder, a publication, and pairs of a moment's number (0: none) and a store. Moments
are: before and after each writing call of the store, each naming of a file in it, and each event. Each store has a
process of its own, which begins as a copy of this one: what takes longest is to import everything.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from fakes.pushing import STEPS, Publisher
from venvstacks.events import Event
from venvstacks.stores.folder import FolderStore
from venvstacks.work import Work

moments = 0
last = 0
guard = threading.Lock()


def moment() -> None:
    """Count, and end everything when it is time."""
    global moments  # noqa: PLW0603 - counts in all threads of one short run
    with guard:
        moments += 1
        if moments == last:
            os.kill(os.getpid(), signal.SIGKILL)


def observed(function: Any) -> Any:
    """Make a moment of the beginning and the end of a function."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        moment()
        result = function(*args, **kwargs)
        moment()
        return result

    return wrapper


def observe(_: Event) -> None:
    """Make a moment of an event."""
    moment()


def main() -> None:
    """Work on one store after the other, and print of each how the process ended, and how many moments it had."""
    step, keys, output, *pairs = sys.argv[1:]
    for at, store in zip(pairs[::2], pairs[1::2], strict=True):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            run(step, Publisher(FolderStore(Path(store)), Path(keys)), Path(output), int(at))
            os.write(writing, str(moments).encode())
            os._exit(0)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), os.read(reading, 100).decode() or 0, flush=True)
        os.close(reading)


def run(step: str, publisher: Publisher, output: Path, at: int) -> None:
    """Do a step, and end at a moment."""
    global last  # noqa: PLW0603 - as above
    for name in ("create", "replace", "delete", "keep_together", "forget_together"):
        setattr(FolderStore, name, observed(getattr(FolderStore, name)))
    Path.replace = observed(Path.replace)  # type: ignore[method-assign]
    os.link = observed(os.link)
    os.unlink = observed(os.unlink)
    last = at
    STEPS[step](publisher, output, Work(observe, jobs=1))


if __name__ == "__main__":
    main()
