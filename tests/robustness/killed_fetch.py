"""Deploys layers, and kills itself at a given moment.

Arguments: the folder of the publisher, the deployment's folder, the name of the release, and the number of the
moment (0: none). Moments are: before and after each renaming, each removal of a tree or file, each piece that the
store returns, each link, each synchronisation, and each event.
"""

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakes.counted_kills import kill_at, moment, moments, observe, watch
from fakes.memory_store import MemoryStore
from fakes.releases import provide
from venvstacks import files
from venvstacks.deploying import provide as provide_module
from venvstacks.deploying import staged_layer
from venvstacks.deploying.places import Home
from venvstacks.work import Work


class SlowStore(MemoryStore):
    """A store that returns small pieces."""

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Make a moment of each piece."""
        for data in super().stream(name, start, size):
            for place in range(0, len(data), 5000):
                moment()
                yield data[place : place + 5000]


def load(folder: Path) -> tuple[MemoryStore, dict[str, Any]]:
    """Read what was published."""
    contents, releases = pickle.loads((folder / "published").read_bytes())  # noqa: S301 - the test has written it
    store = SlowStore()
    store.contents = contents
    return store, releases


def main() -> None:
    """Run, and print the number of moments that there were."""
    published, root, release, at = sys.argv[1:]
    store, releases = load(Path(published))
    watch(Path, "replace", "unlink")
    watch(files, "remove_tree")
    watch(staged_layer, "make_link")
    watch(provide_module, "make_durable")
    kill_at(int(at))
    provide(Home(Path(root)), store, releases[release], Work(observe=observe, jobs=1))
    print(moments())


if __name__ == "__main__":
    main()
