"""Deploys layers, and kills itself at a given moment.

Arguments: the folder of the publisher, the deployment's folder, the name of the release, and the number of the
moment (0: none). Moments are: before and after each renaming, each removal of a tree or file, each piece that the
store returns, each link, each synchronisation, and each event.
"""

import os
import pickle
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakes.memory_store import MemoryStore
from fakes.releases import provide
from venvstacks import files
from venvstacks.deploying import durability, links, staged_layer
from venvstacks.deploying import provide as provide_module
from venvstacks.deploying.places import Home
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
    global last  # noqa: PLW0603 - as above
    published, root, release, at = sys.argv[1:]
    store, releases = load(Path(published))
    Path.replace = observed(Path.replace)  # type: ignore[method-assign]
    Path.unlink = observed(Path.unlink)  # type: ignore[method-assign]
    files.remove_tree = observed(files.remove_tree)
    vars(staged_layer)["make_link"] = observed(links.make_link)
    vars(provide_module)["make_durable"] = observed(durability.make_durable)
    last = int(at)
    provide(Home(Path(root)), store, releases[release], Work(observe=observe, jobs=1))
    print(moments)


if __name__ == "__main__":
    main()
