"""The program, hit by a signal at the n-th moment of its work.

Arguments: the signal's number, the number of the moment (0: none; the count is printed to stderr), then those of
the program. Moments are: before each renaming, link, removal, flush and new folder, before and after the start of
each program, and each event.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from venvstacks.cli import common, main
from venvstacks.cli.console import reporter
from venvstacks.events import Event, Observer

guard = threading.Lock()
moments = 0
number = signal.Signals(int(sys.argv[1]))
last = int(sys.argv[2])


def moment() -> None:
    """Count, and send the signal when it is time."""
    global moments  # noqa: PLW0603 - counts in all threads of one short run
    with guard:
        moments += 1
        now = moments == last
    if now:
        os.kill(os.getpid(), number)


def watch(owner: Any, name: str, *, after: bool = False) -> None:
    """Make a moment of the beginning of each call of a function, or of its end as well."""
    function: Callable[..., Any] = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        moment()
        result = function(*args, **kwargs)
        if after:
            moment()
        return result

    setattr(owner, name, watched)


for name in ("replace", "rename", "link", "symlink", "unlink", "rmdir", "fsync", "mkdir"):
    watch(os, name)
watch(shutil, "rmtree")
watch(subprocess, "Popen", after=True)


@contextmanager
def watched_reporter(verbosity: int) -> Iterator[Observer]:
    """Make a moment of each event, too."""
    with reporter(verbosity) as observe:

        def observed(event: Event) -> None:
            moment()
            observe(event)

        yield observed


common.reporter = watched_reporter  # type: ignore[attr-defined]


if __name__ == "__main__":
    status = main(sys.argv[3:])
    if last == 0:
        print(f"moments: {moments}", file=sys.stderr)
    sys.exit(status)
