"""Stores that are served, and machines that deploy from them, for the benchmark."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from bench_running import Commands
from bench_servers import Server, served

CURL_AND_TAR = """\
set -e
cd "$0"
for address
do
    curl -sSfO "$address"
    tar --zstd -xf "${address##*/}"
done
"""


@dataclass(frozen=True)
class Shop:
    """A store, and what serves it.

    Attributes:
        root: The root metadata that clients trust.
        server: Serves the store.
        push: Pushes an output folder as a release of the channel ``stable``.
        promote: Lets that channel lead to a release.
    """

    root: Path
    server: Server
    push: Callable[[str, Path], None]
    promote: Callable[[str], None]

    @property
    def options(self) -> tuple[str, ...]:
        """What a new deployment is told."""
        return (self.server.address, "--root", str(self.root))


class Deploying:
    """Runs the command line.

    Args:
        commands: Runs commands.
        program: The command line.
        folder: A folder to work in.
    """

    def __init__(self, commands: Commands, program: Path, folder: Path) -> None:
        self._commands = commands
        self._program = str(program)
        self._folder = folder

    def run(self, *arguments: str, cwd: Path | None = None, watched: str = "") -> float:
        """Run a command of the command line, and give its seconds."""
        command = [self._program, "--quiet", *arguments]
        return self._commands.run(command, watched=watched, cwd=cwd or self._folder)

    def output(self, *arguments: str) -> bytes:
        """Run a command of the command line, and give what it printed."""
        return subprocess.run(
            [self._program, "--quiet", *arguments], cwd=self._folder, stdout=PIPE, check=True
        ).stdout

    def deploy(self, shop: Shop, machine: Path, *options: str, watched: str = "") -> float:
        """Deploy from a store into a folder, the channel ``stable`` unless options say otherwise."""
        chosen = options or ("--channel", "stable")
        return self.run("deploy", *shop.options, "--to", str(machine), *chosen, watched=watched)

    def again(self, machine: Path) -> float:
        """Deploy into a folder that knows from where."""
        return self.run("deploy", "--to", str(machine))

    def curl_and_tar(self, shop: Shop, archives: list[Path], folder: Path) -> float:
        """Fetch and unpack archives without any verification, one after the other."""
        addresses = [f"{shop.server.address}/{blob_of(archive)}" for archive in archives]
        return self._commands.run(["sh", "-c", CURL_AND_TAR, str(folder), *addresses])

    @contextmanager
    def shop(self, name: str) -> Iterator[Shop]:
        """Make a store and serve it; both end with the ``with`` block."""
        place = self._folder / name
        store, keys = place / "store", place / "keys"
        self.run("store", "init", str(store), "--keys", str(keys))

        def options(release: str) -> list[str]:
            return ["--keys", str(keys), "--release", release, "--channel", "stable"]

        def push(release: str, output: Path) -> None:
            self.run("push", str(store), *options(release), "--output-dir", str(output))

        def promote(release: str) -> None:
            self.run("promote", str(store), *options(release))

        with served(store, place / "server") as server:
            yield Shop(keys / "ROOT.json", server, push, promote)
        shutil.rmtree(place)


def blob_of(archive: Path) -> str:
    """Return the name of an archive's blob in a store."""
    with archive.open("rb") as file:
        digits = hashlib.file_digest(file, "sha256").hexdigest()
    return f"blobs/sha256/{digits[:2]}/{digits}"


def disk_of(folder: Path) -> int:
    """Return the bytes that a folder takes on the disk, every file with several names once."""
    seen: dict[tuple[int, int], int] = {}
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            facts = Path(parent, name).lstat()
            seen[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(seen.values())
