"""Running what is measured: the time, the memory, and folders to write into."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

MEMORY = 600e6  # bytes that publishing and unpacking may take, whatever the size of a layer
RUNTIME = """\
[tool.venvstacks]
local-runtime = "always"

[[runtimes]]
name = "cpython-3.11"
python_implementation = "cpython@3.11"
platforms = ["linux_x86_64"]
requirements = []
"""
FRAMEWORK = """
[[frameworks]]
name = "{name}"
runtime = "cpython-3.11"
requirements = [{requirements}]
"""


class Runner(Protocol):
    """What is needed of the benchmark."""

    runs: int
    env: dict[str, str]

    def medians(self, *actions: tuple[Callable[[], float], Callable[[], object]]) -> list[float]:
        """Return the median time of each action."""


class Commands:
    """Runs commands, and keeps the most memory that each kind of them took, in bytes.

    Args:
        env: Environment variables.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.peaks: dict[str, float] = {}
        self._env = dict(env)

    def run(self, command: list[str], *, watched: str = "", cwd: Path | None = None) -> float:
        """Run a command and give its seconds; end the benchmark if it fails.

        Args:
            command: The command.
            watched: What it is called where its memory is reported; empty not to watch it.
            cwd: Where it runs.
        """
        began = time.perf_counter()
        with errors_of(command) as file:
            process = subprocess.Popen(command, cwd=cwd, env=self._env, stdout=subprocess.DEVNULL, stderr=file)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if watched:
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            self.peaks[watched] = max(self.peaks.get(watched, 0), peak)
        return seconds

    def report(self, name: str, add: Callable[..., None]) -> None:
        """Add a row for each watched kind.

        Args:
            name: What rows begin with.
            add: Takes a row.
        """
        for what, peak in self.peaks.items():
            add(f"{name}: peak memory of {what}", peak, "its limit", MEMORY, "below it", peak < MEMORY, "B")


class NewFolders:
    """A new folder for each run; all are removed at the end.

    Some file systems, ext4 among them, make files many times slower for some seconds after others were removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.latest = folder

    def make(self) -> None:
        """Make the next one."""
        self._folder.mkdir(exist_ok=True)
        self.latest = self._folder / str(len(list(self._folder.iterdir())))
        self.latest.mkdir()

    def remove(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._folder)


@contextmanager
def errors_of(command: list[str]) -> "Iterator[IO[bytes]]":
    """Return a file for a command's errors, and end the benchmark with them if there are any."""
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        said = file.read().decode(errors="replace")
    if "error:" in said:
        sys.exit(f"bench: {' '.join(command)} failed:\n{said}")


def settle() -> None:
    """Write everything that is still to be written."""
    if hasattr(os, "sync"):
        os.sync()
