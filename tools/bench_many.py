"""Many machines that deploy at once from one nginx."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench_servers import Nginx
from bench_shop import Deploying, Shop
from bench_stacks import Synthetic

CLIENTS = 200
SIZE = 3_000_000  # bytes of the framework of each
MODULES = 50
PROGRAM = Path(__file__).with_name("bench_clients.py")


@dataclass(frozen=True)
class Rush:
    """What happened when all clients deployed at once.

    Attributes:
        seconds: Until the last one had ended.
        failed: How many did not succeed.
        planned: Bytes that their plans said, in sum.
        served: Bytes that the server sent, without headers.
        requests: How many the server answered.
        refused: How many of them with an error, but for those that ask whether there is another root.
    """

    seconds: float
    failed: int
    planned: int
    served: int
    requests: int
    refused: int


class ManyClients:
    """Deploys from nothing with many processes, then an update.

    Args:
        deploying: Runs the command line.
        env: Environment variables.
        folder: A folder to work in, which is made.
    """

    def __init__(self, deploying: Deploying, env: Mapping[str, str], folder: Path) -> None:
        self._deploying = deploying
        self._env = dict(env)
        self._folder = folder

    def measure(self, add: Callable[..., None]) -> None:
        """Measure both; `add` takes a row."""
        stack = Synthetic(self._folder, SIZE, MODULES)
        machines = self._folder / "machines"
        machines.mkdir(parents=True)
        with self._deploying.shop("many") as shop:
            if not isinstance(shop.server, Nginx):
                print("  NOT MEASURED, since there is no nginx: many clients at once", file=sys.stderr)
                return
            for release, work in (("1", "from nothing"), ("2", "an update")):
                stack.publish(package=release, application="1")
                shop.push(release, stack.published)
                alone = self._deploying.deploy(shop, self._folder / "alone")
                report(self._rush(shop, shop.server, machines), work, alone, add)

    def _rush(self, shop: Shop, server: Nginx, machines: Path) -> Rush:
        planned = self._planned(shop, machines / "0")
        server.taken()
        command = [sys.executable, str(PROGRAM), str(CLIENTS), str(machines), *shop.options, "--channel", "stable"]
        began = time.perf_counter()
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        answers = server.answers()
        if done.returncode != 0:
            sys.exit(f"bench: the clients do not start:\n{done.stderr}")
        failed = int(done.stdout)
        if failed:
            said = {path.read_text(encoding="utf-8") for path in machines.glob("*.txt")}
            print("\n".join(sorted(said)), done.stderr, file=sys.stderr)
        return Rush(
            seconds,
            failed,
            planned=CLIENTS * planned,
            served=sum(answer.sent for answer in answers),
            requests=len(answers),
            refused=sum(answer.is_refusal for answer in answers),
        )

    def _planned(self, shop: Shop, machine: Path) -> int:
        """Return the bytes that a client's plan says."""
        options = [*shop.options, "--channel", "stable", "--to", str(machine), "--dry-run", "--json"]
        plan = json.loads(self._deploying.output("deploy", *options))
        return int(plan["bytes"])


def report(rush: Rush, work: str, alone: float, add: Callable[..., None]) -> None:
    """Add rows about clients, of which one took some seconds alone."""
    name = f"deploy: {CLIENTS} clients at once, {work}"
    add(name, rush.seconds, "a client alone", alone, "", None, "s")
    add(f"{name}, failed", rush.failed, "of", CLIENTS, "none", rush.failed == 0, "n")
    met = rush.served == rush.planned
    add(f"{name}, bytes served", rush.served, "sum of the plans", rush.planned, "equal", met, "B")
    add(f"{name}, errors", rush.refused, "requests", rush.requests, "none", rush.refused == 0, "n")
