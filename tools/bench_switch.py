"""Switch a deployment to and fro in one process, as a product does that calls the Python API.

Run as ``bench_switch.py FOLDER ROUNDS RELEASE RELEASE``, of which the second is current. Prints JSON: the median
seconds of a rollback, and of deploying a release whose layers are there; and the bytes that these fetched.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import venvstacks


def seconds(action: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    """Measure both, after once of each, which imports what they need."""
    folder, rounds, releases = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    back: list[float] = []
    switched: list[float] = []
    fetched: list[int] = []

    def deploy(release: str) -> None:
        fetched.append(venvstacks.deploy(to=folder, release=release).bytes)

    for _ in range(rounds + 1):
        switched.extend(seconds(partial(deploy, release)) for release in releases)
        back.append(seconds(lambda: venvstacks.rollback(folder)))
    found = {
        "rollback": statistics.median(back[1:]),
        "switch": statistics.median(switched[len(releases) :]),
        "fetched": statistics.median(fetched),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
