"""A product that brings its own deployer, on a machine with hardly any programs and no Python."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers.conftest import StartNginx

PROJECT = Path(__file__).parents[2]
TOOLS = ("sh", "tar", "gzip", "uname", "mkdir", "mv", "rm", "cp", "sleep", "sha256sum")
DEFINITION = """\
[tool.venvstacks]
local-runtime = "always"

[[runtimes]]
name = "python"
python_implementation = "cpython@{minor}"
platforms = ["{platform}"]
requirements = []

[[applications]]
name = "updater"
launch_module = "updater.py"
runtime = "python"
platforms = ["{platform}"]
requirements = ["venvstacks[deploy]=={version}"]
# what only building needs
exclude_packages = ["uv", "installer", "packaging", "pathspec", "platformdirs", "tomlkit"]

[[applications]]
name = "hello"
launch_module = "hello.py"
runtime = "python"
platforms = ["{platform}"]
requirements = []
"""
UPDATER = "import sys\n\nfrom venvstacks.cli import main\n\nsys.exit(main())\n"


def run(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a program that succeeds, and return what it prints."""
    done = subprocess.run(
        arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Product:
    """A product that was pushed.

    Attributes:
        folder: Of its definition.
        store: Its store, with the installer.
    """

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def venvstacks(self, *arguments: str) -> str:
        """Run a command of this checkout."""
        return run(sys.executable, "-m", "venvstacks", *arguments, cwd=self.folder)

    def publish(self, greeting: str, release: str, *options: str) -> None:
        """Publish a version of the product, and push it."""
        (self.folder / "hello.py").write_text(f"print({greeting!r})\n")
        self.venvstacks("build", "--lock-if-needed", "--local-wheels", "wheels")
        self.venvstacks("publish", "--format", "tar.gz")
        self.venvstacks(
            *("push", "store", "--keys", "keys", "--release", release, "--channel", "stable", *options),
        )


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Build the deployer of this checkout as an application of a stack, and push it."""
    folder = tmp_path_factory.mktemp("product")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "wheels", cwd=PROJECT)
    (wheel,) = (folder / "wheels").glob("venvstacks-*.whl")
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    version = wheel.name.split("-")[1]
    text = DEFINITION.format(minor=minor, platform="linux_x86_64", version=version)
    (folder / "venvstacks.toml").write_text(text)
    (folder / "updater.py").write_text(UPDATER)
    made = Product(folder)
    made.venvstacks("store", "init", "store", "--keys", "keys")
    return made


@dataclass(frozen=True)
class Machine:
    """A machine that has no more than an installer needs.

    Attributes:
        folder: What it has of its own.
        programs: The only folder on PATH.
    """

    folder: Path
    programs: Path

    def run(self, *arguments: str | Path, path: str | None = None) -> str:
        """Run a program with an environment that has nothing but a PATH."""
        return run(*arguments, cwd=self.folder, env={"PATH": path or str(self.programs)})


@pytest.fixture(params=["curl", "wget"])
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in (*TOOLS, request.param):
        (programs / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "here").mkdir()
    return Machine(tmp_path / "here", programs)


def test_from_a_server_to_an_update(product: Product, machine: Machine, start_nginx: StartNginx) -> None:
    nginx = start_nginx(product.store)
    first, second = f"{machine.programs.parent.name}-1", f"{machine.programs.parent.name}-2"
    product.publish("one", first, "--installer", "updater", "--installer-address", nginx.url)
    script = machine.folder / "install.sh"
    shutil.copy(product.store / "install.sh", script)

    machine.run(machine.programs / "sh", script, "--to", "to", "--app", "hello")

    archives = [one for one in nginx.served() if one.sent > 1_000_000]
    assert len(archives) == 2  # the runtime and the deployer, each fetched once
    assert machine.run(machine.folder / "to/bin/hello") == "one\n"
    updater = machine.folder / "to/bin/updater"
    assert "is as published" in machine.run(updater, "deployment", "verify", "to")
    assert sorted(path.name for path in (machine.folder / "to").iterdir()) == [
        *(".lock", "bin", "current", "deployment.json", "generations", "layers", "trust"),
    ]

    product.publish("two", second, "--installer", "updater", "--installer-address", nginx.url)
    machine.run(updater, "deploy", "--to", "to")
    assert machine.run(machine.folder / "to/bin/hello") == "two\n"
    machine.run(updater, "deployment", "rollback", "to")
    assert machine.run(machine.folder / "to/bin/hello") == "one\n"

    for damaged in (machine.folder / "to/layers").rglob("hello.py"):  # that of the other generation as well
        damaged.write_text("print('damaged')\n")
    assert machine.run(machine.folder / "to/bin/hello") == "damaged\n"
    machine.run(updater, "deployment", "repair", "to")
    assert machine.run(machine.folder / "to/bin/hello") == "one\n"


def test_from_a_stick_without_network(product: Product, tmp_path: Path, machine: Machine) -> None:
    product.publish("three", f"stick-{machine.programs.parent.name}", "--installer", "updater")
    stick = tmp_path / "stick"
    shutil.copytree(product.store, stick)
    for name in ("curl", "wget"):
        (machine.programs / name).unlink(missing_ok=True)
    alone = ["unshare", "--net", "--map-root-user"]
    machine.run(
        *alone, machine.programs / "sh", stick / "install.sh", "--to", "to", path=f"{machine.programs}:/usr/bin"
    )
    assert machine.run(machine.folder / "to/bin/hello") == "three\n"
    document = (machine.folder / "to/deployment.json").read_text()
    assert re.search(f'"store": "{stick}"', document)
