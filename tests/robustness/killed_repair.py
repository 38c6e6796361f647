"""Repairs a damaged deployment, and kills itself at a given moment.

Arguments: the folder that the store was saved in, the deployment, and the number of the moment (0: none). Moments
are: before and after each renaming, each removal of a tree, each link, each request to the store, and each event.
"""

import sys
from pathlib import Path

from fakes.counted_kills import kill_at, moments, observe, watch
from fakes.handmade_deployments import Handmade
from fakes.memory_store import MemoryStore
from venvstacks import files
from venvstacks.deploying.repair import prepare_repair
from venvstacks.deploying.repair_run import run_repair
from venvstacks.work import Work


def main() -> None:
    """Run, and print the number of moments that there were."""
    saved, root, at = sys.argv[1:]
    deployed = Handmade.load(Path(saved), Path(root))
    watch(Path, "replace", "rename", "symlink_to", "mkdir")
    watch(MemoryStore, "read", "stream")
    watch(files, "remove_tree")
    kill_at(int(at))
    work = Work(observe=observe, jobs=1)
    run_repair(prepare_repair(deployed.home.root, deployed, work), work)
    print(moments())


if __name__ == "__main__":
    main()
