"""Runs the command line as on a machine where everything is different that must not matter.

The first argument is a number that everything depends on, the others are those of the command line. Folders are
listed in another order, the clock is years ahead, and the user is another one; the environment is the caller's.
"""

import os
import random
import sys
import time
from types import TracebackType
from typing import Any, Self

YEARS = 3 * 365 * 24 * 3600.0


class Shuffled:
    """Stands for what `os.scandir` gives."""

    def __init__(self, entries: "list[os.DirEntry[str]]") -> None:
        self._entries = iter(entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> "os.DirEntry[str]":
        return next(self._entries)

    def close(self) -> None:
        pass


def main() -> int:
    """Change everything, then run."""
    seed, *arguments = sys.argv[1:]
    rng = random.Random(int(seed))  # noqa: S311 - any order will do
    scandir, listdir, now = os.scandir, os.listdir, time.time

    def shuffled_scandir(*args: Any) -> Shuffled:
        with scandir(*args) as found:
            entries = list(found)
        rng.shuffle(entries)
        return Shuffled(entries)

    def shuffled_listdir(*args: Any) -> list[str]:
        names: list[str] = listdir(*args)
        rng.shuffle(names)
        return names

    os.scandir = shuffled_scandir  # type: ignore[assignment]
    os.listdir = shuffled_listdir  # type: ignore[assignment]
    time.time = lambda: now() + YEARS * int(seed)
    time.time_ns = lambda: int(time.time() * 10**9)
    os.getuid = os.geteuid = lambda: 4000 + int(seed)
    os.getgid = os.getegid = lambda: 4000 + int(seed)
    from venvstacks.cli import main as run  # noqa: PLC0415 - all that it imports sees what was changed

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
