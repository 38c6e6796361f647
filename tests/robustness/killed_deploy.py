"""Deploys a release, goes back or prunes, and kills itself at a given moment.

Arguments: ``deploy-…``, ``rollback`` or ``prune``, the store, the file with its root metadata, the deployment, and
the number of the moment (0: none). Moments are: before and after each renaming, each making of a folder or link,
each removal of a tree, and each time that the disk is waited for, and each event.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import venvstacks
from venvstacks import files
from venvstacks.deploying import durability
from venvstacks.events import Event
from venvstacks.options import Options

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


def run(step: str, store: str, root: Path, deployment: Path, options: Options) -> None:
    """Do what is to be disturbed."""
    if step.startswith("deploy"):
        venvstacks.deploy(store, to=deployment, root=root, keep=1, channel="stable", options=options)
    elif step == "rollback":
        venvstacks.rollback(deployment, options=options)
    else:
        venvstacks.prune_deployment(deployment, keep=1, options=options)


def main() -> None:
    """Run, and print the number of moments that there were."""
    global last  # noqa: PLW0603 - as above
    step, store, root, deployment, at = sys.argv[1:]
    for name in ("replace", "mkdir"):
        setattr(Path, name, observed(getattr(Path, name)))
    for name in ("fsync", "symlink"):
        setattr(os, name, observed(getattr(os, name)))
    files.remove_tree = observed(files.remove_tree)
    durability.make_durable = observed(durability.make_durable)
    last = int(at)
    run(step, store, Path(root), Path(deployment), Options(observe=observe, jobs=1))
    print(moments)


if __name__ == "__main__":
    main()
