"""Pushes, promotes or prunes in stores that are folders, in processes that kill themselves at given moments.

Arguments: the step, the keys folder, a publication, and pairs of a moment's number (0: none) and a store. Moments
are: before and after each writing call of the store, each naming of a file in it, and each event. Each store has a
process of its own, which begins as a copy of this one: what takes longest is to import everything.
"""

import os
import sys
from pathlib import Path

from fakes.counted_kills import kill_at, moments, observe, watch
from fakes.pushing import STEPS, Publisher
from venvstacks.stores.folder import FolderStore
from venvstacks.work import Work


def main() -> None:
    """Work on one store after the other, and print of each how the process ended, and how many moments it had."""
    step, keys, output, *pairs = sys.argv[1:]
    for at, store in zip(pairs[::2], pairs[1::2], strict=True):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            run(step, Publisher(FolderStore(Path(store)), Path(keys)), Path(output), int(at))
            os.write(writing, str(moments()).encode())
            os._exit(0)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), os.read(reading, 100).decode() or 0, flush=True)
        os.close(reading)


def run(step: str, publisher: Publisher, output: Path, at: int) -> None:
    """Do a step, and end at a moment."""
    watch(FolderStore, "create", "replace", "delete", "keep_together", "forget_together")
    watch(Path, "replace")
    watch(os, "link", "unlink")
    kill_at(at)
    STEPS[step](publisher, output, Work(observe, jobs=1))


if __name__ == "__main__":
    main()
