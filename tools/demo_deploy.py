"""The second part of the demo: from the archives to a machine that is updated, goes back, and repairs itself."""

import json
import shutil
import tempfile
from pathlib import Path

from demo_commands import program, venvstacks
from static_server import Served, serving

from venvstacks.humanize import size_text

COPIED = shutil.ignore_patterns("_export", "__pycache__")
DEFINITION = ('requirements = ["scikit-learn"]', 'requirements = ["scikit-learn", "threadpoolctl==3.5.0"]')
MODULE = ('{"name": "Mars", "moons": 2},', '{"name": "Mars", "moons": 2},\n    {"name": "Jupiter", "moons": 97},')
DAMAGED = "lib/python3.*/site-packages/sklearn/__init__.py"


class Shipping:
    """Ships a stack and an update of it to a machine, both folders here.

    Args:
        stack: A copy of the example in which layers are built and published; the store and the machine are
            beside it.
        server: Serves the store.
    """

    def __init__(self, stack: Path, server: Served) -> None:
        self._stack = stack
        self._server = server
        self._machine = stack.parent / "machine"

    def first_release(self) -> None:
        """Make a store, push what was published, and deploy two of the applications."""
        self._run("store", "init", "../store", "--keys", "../keys")
        self._run("push", "../store", "--keys", "../keys", "--release", "1", "--channel", "stable")
        applications = ("--app", "iris", "--app", "fetch")
        trusted = ("--root", "../keys/ROOT.json")
        self._deploy(self._server.address, "--to", "../machine", "--channel", "stable", *applications, *trusted)
        program("bin/iris", cwd=self._machine)
        program("bin/fetch", cwd=self._machine)

    def update(self) -> None:
        """Push a release in which one package of a framework and one module changed, and update the machine."""
        print(
            "\nRelease 2: scikit-learn's framework gets another threadpoolctl, and fetch.py knows one more planet."
        )
        change(self._stack / "venvstacks.toml", *DEFINITION)
        change(self._stack / "apps" / "fetch.py", *MODULE)
        self._run("build", "--lock", "--publish")
        self._run("push", "../store", "--keys", "../keys", "--release", "2", "--channel", "stable")
        self._deploy("--to", "../machine")
        program("bin/fetch", cwd=self._machine)

    def rollback(self) -> None:
        """Make the first release current again."""
        self._run("deployment", "rollback", "../machine")
        program("bin/fetch", cwd=self._machine)

    def repair(self) -> None:
        """Damage a file of the framework, find it, and fetch what it consists of."""
        (damaged,) = self._framework().glob(DAMAGED)
        print(f"\nDamaging {damaged.relative_to(self._machine)} ...")
        damaged.write_text("oops\n", encoding="utf-8")
        self._run("deployment", "verify", "../machine", fails=True)
        self._server.taken()
        self._run("deployment", "repair", "../machine")
        self._report()
        self._run("deployment", "verify", "../machine")

    def _framework(self) -> Path:
        """Return the framework's folder in the current generation."""
        current = (self._machine / "current").read_text(encoding="utf-8").strip()
        generation = json.loads((self._machine / current / "generation.json").read_text(encoding="utf-8"))
        (found,) = (layer for layer in generation["layers"] if layer["install_target"] == "framework-sklearn")
        return self._machine / "layers" / str(found["id"]) / str(found["install_target"])

    def _deploy(self, *arguments: str) -> None:
        self._server.taken()
        self._run("deploy", *arguments)
        self._report()

    def _report(self) -> None:
        requests, sent = self._server.taken()
        print(f"The server answered {requests} requests with {size_text(sent)}.")

    def _run(self, *arguments: str, fails: bool = False) -> None:
        venvstacks(*arguments, cwd=self._stack, fails=fails)


def change(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text in a file."""
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{path} does not hold {old!r}")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def ship(example: Path) -> None:
    """Ship the published example, and an update of a copy of it, to a folder that stands for a machine."""
    with tempfile.TemporaryDirectory(prefix="venvstacks-demo-", ignore_cleanup_errors=True) as folder:
        stack = Path(folder).resolve() / example.name
        shutil.copytree(example, stack, symlinks=True, ignore=COPIED)
        store = stack.parent / "store"
        print(f"\nFrom the archives to a machine. The store is served over HTTP; all is in {stack.parent}.")
        with serving(store) as server:
            shipping = Shipping(stack, server)
            shipping.first_release()
            shipping.update()
            shipping.rollback()
            shipping.repair()
