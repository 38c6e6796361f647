"""Deploys a release, goes back or prunes, and kills itself at a given moment.

Arguments: ``deploy-…``, ``rollback`` or ``prune``, the store, the file with its root metadata, the deployment, and
the number of the moment (0: none). Moments are: before and after each renaming, each making of a folder or link,
each removal of a tree, and each time that the disk is waited for, and each event.
"""

import os
import sys
from pathlib import Path

import venvstacks
from fakes.counted_kills import kill_at, moments, observe, watch
from venvstacks import files
from venvstacks.deploying import durability
from venvstacks.options import Options


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
    step, store, root, deployment, at = sys.argv[1:]
    watch(Path, "replace", "mkdir")
    watch(os, "fsync", "symlink")
    watch(files, "remove_tree")
    watch(durability, "make_durable")
    kill_at(int(at))
    run(step, store, Path(root), Path(deployment), Options(observe=observe, jobs=1))
    print(moments())


if __name__ == "__main__":
    main()
