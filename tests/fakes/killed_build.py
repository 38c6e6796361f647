"""Run as a program: build a project, and die of SIGKILL at a chosen change to the file system.

Usage: killed_build.py PROJECT-FOLDER SESSION-FOLDER CHANGE. With CHANGE 0 it ends well, and prints how many
changes there were.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from fakes.building import Project, link_tree
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.runtimes.local import LocalRuntimes

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod"}


class Death:
    """Counts changes to a folder, and ends this process at one of them."""

    def __init__(self, folder: Path, change: int) -> None:
        self.folder = str(folder)
        self.change = change
        self.seen = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in _CHANGES) and self.folder in str(arguments[:2]):
            self.seen += 1
            if self.seen == self.change:
                os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, root: Path, change: int) -> None:
    def fetch(self: LocalRuntimes, python: PythonVersion, on: Compatibility, place: Path) -> None:
        del self, python, on
        link_tree(root / "small-runtime", place)

    LocalRuntimes.fetch = fetch  # type: ignore[method-assign, assignment]
    project = Project(folder, root)
    death = Death(project.built, change)
    sys.addaudithook(death)
    project.build(lock=False, quick=False, jobs=1)
    print(death.seen)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
