"""Repairs a damaged deployment, and kills itself at a given moment.

Arguments: the folder that the store was saved in, the deployment, and the number of the moment (0: none). Moments
are: before and after each renaming, each removal of a tree, each link, each request to the store, and each event.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from fakes.handmade_deployments import Handmade
from fakes.memory_store import MemoryStore
from venvstacks import files
from venvstacks.deploying.repair import prepare_repair
from venvstacks.deploying.repair_run import run_repair
from venvstacks.events import Event
from venvstacks.work import Work

moments = 0
last = 0


def moment() -> None:
    """Count, and end everything when it is time."""
    global moments  # noqa: PLW0603 - counts in all threads of one short run
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
    """Run, and print the number of moments that there were."""
    global last  # noqa: PLW0603 - as above
    saved, root, at = sys.argv[1:]
    deployed = Handmade.load(Path(saved), Path(root))
    for owner, name in (
        (Path, "replace"),
        (Path, "rename"),
        (Path, "symlink_to"),
        (Path, "mkdir"),
        (MemoryStore, "read"),
        (MemoryStore, "stream"),
        (files, "remove_tree"),
    ):
        setattr(owner, name, observed(getattr(owner, name)))
    last = int(at)
    work = Work(observe=observe, jobs=1)
    run_repair(prepare_repair(deployed.home.root, deployed, work), work)
    print(moments)


if __name__ == "__main__":
    main()
