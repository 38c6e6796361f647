"""A small project of every kind of layer, locked and built once a session, and programs that are interrupted."""

import ctypes
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from fakes.building import Project
from fakes.patience import PATIENCE
from fakes.wheels import make_wheel

APPLICATION = '''\
"""Says who it is, and does what it is told."""

import json
import os
import signal
import sys

import alpha
import beta


def main():
    match sys.argv[1:]:
        case ["exit", status]:
            sys.exit(int(status))
        case ["echo"]:
            sys.stdout.buffer.write(sys.stdin.buffer.read())
        case ["abort"]:
            os.kill(os.getpid(), signal.SIGTERM)
        case ["wait"]:
            print("ready", flush=True)
            signal.pause()
        case arguments:
            versions = [alpha.__version__, beta.__version__]
            where = {"prefix": sys.prefix, "cwd": os.getcwd()}
            print(json.dumps({"arguments": arguments, "versions": versions, **where}))


main()
'''

DEFINITION = f"""\
[tool.venvstacks]
local-runtime = "always"

[[runtimes]]
name = "py"
python_implementation = "cpython@{platform.python_version()}"
requirements = ["alpha"]

[[frameworks]]
name = "🐸"
runtime = "py"
requirements = ["beta"]

[[applications]]
name = "hello"
launch_module = "hello.py"
frameworks = ["🐸"]
requirements = ["gamma"]

[[applications]]
name = "🦎"
versioned = true
launch_module = "hello.py"
frameworks = ["🐸"]
requirements = []
"""

LAYERS = ("py", "framework-🐸", "app-hello", "app-🦎")
OFFLINE = ("--no-index", "--local-wheels", "wheels")
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def make_project(folder: Path, root: Path) -> Project:
    """Write a project that is not locked yet."""
    wheels = folder / "wheels"
    make_wheel(wheels, "alpha", "1.0")
    make_wheel(wheels, "beta", "1.0", requires=["alpha"])
    make_wheel(wheels, "gamma", "1.0")
    (folder / "hello.py").write_text(APPLICATION, encoding="utf-8")
    (folder / "venvstacks.toml").write_text(DEFINITION, encoding="utf-8")
    return Project(folder, root)


@cache
def locked_project(root: Path) -> Project:
    """Return a project that is locked; whoever changes it makes a copy first. Once a session."""
    project = make_project(root / "locked 🐸", root)
    project.succeed("lock", *OFFLINE)
    return project


@cache
def built_project(root: Path) -> Project:
    """Return a project that is locked and built; whoever changes it makes a copy first. Once a session."""
    project = locked_project(root).copied(root / "built 🐸")
    project.succeed("build", *OFFLINE)
    return project


def use_index(project: Project, url: str) -> None:
    """Let a project take packages from an index, and from no other."""
    path = project.folder / "venvstacks.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f'{text}\n[[tool.uv.index]]\nname = "mine"\nurl = "{url}"\ndefault = true\n', encoding="utf-8")


@contextmanager
def started(
    command: Sequence[str | Path], cwd: Path, environ: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """Start a program in a process group of its own, of which nothing is left at the end."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    guard = threading.Timer(5 * PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def await_end(process: "subprocess.Popen[str]") -> str:
    """Wait until a program that was started, and all that it started, is gone; give what it printed to stderr.

    What a terminated program of it had started in its turn may outlive both for some milliseconds (uv asks an
    interpreter what it is). This process inherits and reaps such orphans, where the system has a way for that.
    """
    _, err = process.communicate()
    with suppress(ChildProcessError):
        while True:
            _, status = os.waitpid(-process.pid, 0)
            assert os.waitstatus_to_exitcode(status) != -signal.SIGKILL, "something that was started did not end"
    return err


def _inherit_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


_inherit_orphans()


def await_line(stream: Iterator[str], words: str) -> list[str]:
    """Read lines until one holds certain words; give all of them."""
    lines = []
    for line in stream:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} was never printed, but:\n{''.join(lines)}")


def content(folder: Path, *, without: Sequence[str] = ()) -> dict[str, bytes | str]:
    """Return all that a folder holds, bytecode and some names aside: path -> bytes, or a link's target."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in path.parts or any(part in without for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_bytes()
    return found
