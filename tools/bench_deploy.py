"""What deploying costs, against curl and tar, and updates against first deployments."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench_deltas import TORCH
from bench_many import ManyClients
from bench_running import RUNTIME, Commands, NewFolders, Runner, settle
from bench_shop import Deploying, Shop, disk_of
from bench_stacks import Synthetic

HELLO = Path(__file__).resolve().parents[1] / "examples" / "hello"
UPDATED = 750_000_000  # bytes of a framework that is updated: as PyTorch, in as many files
UPDATED_MODULES = 13_000
LARGE = 1_000_000_000  # bytes of a large stack
STARTS = 40
ROUNDS = 10
SWITCH = Path(__file__).with_name("bench_switch.py")
APPLICATION = """
[[applications]]
name = "main"
launch_module = "main.py"
frameworks = ["torch"]
requirements = []
"""

MOST_IDLE_SECONDS = 0.35
MOST_IDLE_REQUESTS = 3
MOST_UPDATE_BYTES = 0.01
MOST_UPDATE_REQUESTS = 10
MOST_UPDATE_TIME = 0.2
MOST_SWITCH = 0.1
MOST_DISK = 1.02
MOST_MEMORY = 300e6
MOST_AT_START = 0.003


class DeployBench:
    """Measures deployments; `add` takes a row: what, value, rival, its value, aim, whether it is met, unit.

    Args:
        runner: Knows how often a step is measured, and the environment variables.
        program: The command line.
        folder: An empty folder to work in.
        archives: The published example.
        add: Takes a row.
    """

    def __init__(
        self, runner: Runner, program: Path, folder: Path, archives: Path, add: Callable[..., None]
    ) -> None:
        self._runner = runner
        folder.mkdir()
        self._folder = folder
        self._published = archives
        self._add = add
        self._commands = Commands(runner.env)
        self._deploying = Deploying(self._commands, program, folder)

    def measure(self, wheels: str | None) -> None:
        """Measure everything, PyTorch too if there is a folder with its wheel."""
        self._from_nothing()
        self._starting()
        self._small_update()
        if wheels is not None:
            self._torch(wheels)
        self._large()
        ManyClients(self._deploying, self._runner.env, self._folder / "clients").measure(self._add)

    def _from_nothing(self) -> None:
        """Deploy the example, against curl and tar; then with nothing new."""
        do = self._deploying
        archives = sorted(self._published.glob("*.tar.zst"))
        place = NewFolders(self._folder / "machines")
        with do.shop("science") as shop:
            shop.push("1", self._published)
            own, rival = self._runner.medians(
                (lambda: do.deploy(shop, place.latest), place.make),
                (lambda: do.curl_and_tar(shop, archives, place.latest), place.make),
            )
            place.make()
            shop.server.taken()
            do.deploy(shop, place.latest)
            first = shop.server.taken()
            (idle,) = self._runner.medians((lambda: do.again(place.latest), shop.server.taken))
            requests, sent = shop.server.taken()
        place.remove()
        what, aim = "science, from nothing", "faster"
        self._row(what, own, "curl and tar --zstd -x, in sequence, unverified", rival, aim, met=own < rival)
        aim, met = f"below {MOST_IDLE_SECONDS * 1000:.0f} ms", idle < MOST_IDLE_SECONDS
        self._row("nothing new", idle, "from nothing", own, aim, met=met)
        aim, met = f"at most {MOST_IDLE_REQUESTS}", requests <= MOST_IDLE_REQUESTS
        self._row("nothing new, requests", requests, "from nothing", first[0], aim, met=met, unit="n")
        self._row("nothing new, bytes", sent, "from nothing", first[1], unit="B")

    def _starting(self) -> None:
        """Start an application through ``bin/``, against its interpreter."""
        do = self._deploying
        stack, machine = self._folder / "hello", self._folder / "hello-machine"
        shutil.copytree(HELLO, stack, ignore=shutil.ignore_patterns("_*", "requirements"))
        for step in ("lock", "build", "publish"):
            do.run(step, cwd=stack)
        with do.shop("hello-store") as shop:
            shop.push("1", stack / "_artifacts")
            do.deploy(shop, machine)
        (interpreter,) = machine.glob("layers/*/app-hello/bin/python")
        commands = [str(machine / "bin" / "hello")], [str(interpreter), "-P", "-m", "hello"]
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(STARTS):
            for command, kept in zip(commands, times, strict=True):
                kept.append(self._commands.run(command))
        own, rival = map(statistics.median, times)
        aim, met = f"at most {MOST_AT_START * 1000:.0f} ms more", own - rival <= MOST_AT_START
        self._row("start through bin/hello", own, "its interpreter with -P -m hello", rival, aim, met=met)

    def _small_update(self) -> None:
        """Update a small package of a large framework, against the first deployment."""
        stack = Synthetic(self._folder / "updated", UPDATED, UPDATED_MODULES)
        with self._deploying.shop("updated-store") as shop:
            for version in ("1", "2"):
                stack.publish(package=version, application="1")
                shop.push(version, stack.published)
            self._compare(shop, f"a pure-Python package beside {UPDATED // 1_000_000} MB")
        shutil.rmtree(stack.folder)

    def _torch(self, wheels: str) -> None:
        """Update a small package of a layer with PyTorch, against the first deployment."""
        (update,) = TORCH
        stack = self._folder / "torch"
        stack.mkdir()
        with self._deploying.shop("torch-store") as shop:
            for version, package in (("1", update.old), ("2", update.new)):
                text = RUNTIME + update.table(package) + APPLICATION
                (stack / "venvstacks.toml").write_text(text, encoding="utf-8")
                (stack / "main.py").write_text("import torch\n", encoding="utf-8")
                self._deploying.run("lock", "--local-wheels", wheels, cwd=stack)
                self._deploying.run("build", "--publish", "--local-wheels", wheels, cwd=stack)
                shop.push(version, stack / "_artifacts")
            self._compare(shop, update.what)
        shutil.rmtree(stack)

    def _compare(self, shop: Shop, what: str) -> None:
        place = NewFolders(self._folder / "updates")
        seconds: dict[str, list[float]] = {"1": [], "2": []}
        traffic: dict[str, tuple[int, int]] = {}
        for _ in range(self._runner.runs):
            place.make()
            for release, kept in seconds.items():
                shop.promote(release)  # so that its metadata are new
                settle()
                shop.server.taken()
                kept.append(self._deploying.deploy(shop, place.latest))
                traffic[release] = shop.server.taken()
            place.remove()
        first, update = (statistics.median(kept) for kept in seconds.values())
        (first_requests, whole), (requests, part) = traffic["1"], traffic["2"]
        name, rival = f"update of {what}", "the first deployment"
        aim, met = f"at most {MOST_UPDATE_TIME}", update <= MOST_UPDATE_TIME * first
        self._row(name, update, rival, first, aim, met=met)
        aim, met = f"at most {MOST_UPDATE_BYTES}", part <= MOST_UPDATE_BYTES * whole
        self._row(f"{name}, bytes", part, rival, whole, aim, met=met, unit="B")
        aim, met = f"at most {MOST_UPDATE_REQUESTS}", requests <= MOST_UPDATE_REQUESTS
        self._row(f"{name}, requests", requests, rival, first_requests, aim, met=met, unit="n")

    def _large(self) -> None:
        """Deploy a large stack three times with another application: memory, disk, switches."""
        stack, machine = Synthetic(self._folder / "large", LARGE), self._folder / "large-machine"
        disk: list[int] = []
        versions = ("1", "2", "3")
        with self._deploying.shop("large-store") as shop:
            for version in versions:
                stack.publish(package="1", application=version)
                shop.push(version, stack.published)
            shutil.rmtree(stack.folder)
            for version in versions:
                self._deploying.deploy(shop, machine, "--release", version, watched=f"release {version}")
                disk.append(disk_of(machine))
            self._switching(machine)
        peak = self._commands.peaks["release 1"]
        rival = f"{LARGE / 1e9:.0f} GB"
        self._row("memory for a large stack", peak, rival, LARGE, "below 300 MB", met=peak < MOST_MEMORY, unit="B")
        what, met = "disk for 3 generations that differ in one application", disk[-1] < MOST_DISK * disk[0]
        self._row(what, disk[-1], "for one", disk[0], f"below {MOST_DISK}", met=met, unit="B")
        shutil.rmtree(machine)

    def _switching(self, machine: Path) -> None:
        """Switch between releases whose layers are there, and back, in one process."""
        command = [sys.executable, str(SWITCH), str(machine), str(ROUNDS), "2", "3"]
        done = subprocess.run(command, env=self._runner.env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)} failed:\n{done.stderr}")
        found = json.loads(done.stdout)
        size = f"{LARGE / 1e9:.0f} GB"
        aim = f"below {MOST_SWITCH * 1000:.0f} ms"
        for what in ("switch", "rollback"):
            met = found[what] < MOST_SWITCH
            self._row(f"{what} with {size}", found[what], "the aim", MOST_SWITCH, aim, met=met)
        met = found["fetched"] < LARGE / 1e4
        self._row(f"switch with {size}, bytes", found["fetched"], "of", LARGE, "metadata only", met=met, unit="B")

    def _row(
        self,
        what: str,
        value: float,
        rival: str,
        rival_value: float,
        aim: str = "",
        *,
        met: bool | None = None,
        unit: str = "s",
    ) -> None:
        self._add(f"deploy: {what}", value, rival, rival_value, aim, met, unit)
