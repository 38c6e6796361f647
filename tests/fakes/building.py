"""A definition with local wheels, and layers built from it for real, on a runtime copied once a session."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import venvstacks
from fakes.definitions import write_definition
from fakes.pythons import host, own_python
from fakes.wheels import make_wheel
from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Bytecode, Stack
from venvstacks.errors import RuntimeProviderError
from venvstacks.events import Event, Finished, Warned
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.work import Work

# Variables that would change what is tested; the cache is shared by all projects of a session.
_FORGOTTEN = ("UV_", "NO_COLOR", "FORCE_COLOR", "PYTHONPATH", "_VENVSTACKS", "COLUMNS", "_MEASURING")
SITE = f"lib/{own_python().lib_name}/site-packages"


@cache
def own_runtime(root: Path) -> Path:
    """Copy the interpreter that runs the tests, once a session; nobody changes the copy."""
    folder = root / "own-runtime"
    LocalRuntimes(os.environ, Work()).fetch(own_python(), host(), folder)
    return folder


def link_tree(source: Path, destination: Path) -> None:
    """Copy a folder quickly: its files are hard links, which building must never write through."""
    destination.mkdir(parents=True)
    for entry in os.scandir(source):
        place = destination / entry.name
        if entry.is_symlink():
            place.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            link_tree(Path(entry.path), place)
        else:
            os.link(entry.path, place)


@contextmanager
def quick_runtimes(root: Path) -> Iterator[None]:
    """Let local runtimes come from the session's copy."""
    source = own_runtime(root)

    def fetch(self: LocalRuntimes, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        del self, on
        if python != own_python():
            raise RuntimeProviderError(f"This machine has no interpreter for {python.request}.")
        link_tree(source, folder)

    with patch.object(LocalRuntimes, "fetch", fetch):
        yield


def runtime(name: str = "base", *requirements: str, version: str = "", **fields: Any) -> dict[str, Any]:
    python = f"cpython@{version or own_python().release}"
    return {
        "kind": "runtimes",
        "name": name,
        "python_implementation": python,
        "requirements": [*requirements],
        **fields,
    }


def framework(name: str, *requirements: str, on: str | list[str] = "base", **fields: Any) -> dict[str, Any]:
    below = {"runtime": on} if isinstance(on, str) else {"frameworks": on}
    return {"kind": "frameworks", "name": name, **below, "requirements": [*requirements], **fields}


def application(name: str, *requirements: str, on: str | list[str] = "base", **fields: Any) -> dict[str, Any]:
    module = fields.pop("launch_module", f"{name}.py")
    below = {"runtime": on} if isinstance(on, str) else {"frameworks": on}
    named = {"kind": "applications", "name": name, "launch_module": module, **below}
    return {**named, "requirements": [*requirements], **fields}


@dataclass(frozen=True)
class Ended:
    """What a command left: exit status, and its output as text."""

    status: int
    stdout: str
    stderr: str


def environment(**changes: str) -> dict[str, str]:
    """Return a plain environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FORGOTTEN)}
    kept |= {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
    return kept | changes


@dataclass
class Project:
    """A definition's folder, worked on without an index: through the package, or by the program as users run it.

    Attributes:
        folder: The definition's folder.
        root: A folder of the session, for what is shared: a runtime, the cache of the program.
        settings: ``[tool.uv]``.
        environ: More environment variables, or others.
        policy: ``local-runtime``.
        bytecode: As if it were given on the command line.
    """

    folder: Path
    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    policy: str = "always"
    bytecode: Bytecode | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def built(self) -> Path:
        return self.folder / "_build"

    def wheel(self, name: str, version: str = "1", **parts: Any) -> Path:
        return make_wheel(self.folder / "wheels", name, version, **parts)

    def write(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def define(self, *layers: dict[str, Any]) -> None:
        """Write the definition; launch modules that are not there are made."""
        tools = {"venvstacks": {"local-runtime": self.policy}, "uv": dict(self.settings)}
        document: dict[str, Any] = {"tool": tools}
        for layer in layers:
            fields = {name: value for name, value in layer.items() if name != "kind"}
            document.setdefault(layer["kind"], []).append(fields)
        write_definition(self.folder, document)

    def options(self, **options: Any) -> venvstacks.Options:
        wheels = (Path("wheels"),) if (self.folder / "wheels").is_dir() else ()
        return venvstacks.Options(
            local_wheels=wheels,
            no_index=options.pop("no_index", True),
            observe=self.events.append,
            environ={**os.environ, **self.environ},
            **options,
        )

    def stack(self) -> Stack:
        return load_stack(self.folder / "venvstacks.toml", bytecode=self.bytecode)

    def lock(self, **arguments: Any) -> None:
        venvstacks.lock(self.stack(), options=self.options(), **arguments)

    def build(self, *, lock: bool = True, quick: bool = True, **options: Any) -> tuple[LayerBuild, ...]:
        """Lock what needs it, then build."""
        include = options.pop("include", None)
        self.events.clear()
        stack = self.stack()

        def built() -> tuple[LayerBuild, ...]:
            return venvstacks.build(stack, include=include, lock_if_needed=lock, options=self.options(**options))

        if not quick:
            return built()
        with quick_runtimes(self.root):
            return built()

    def changed(self) -> list[str]:
        """Return the build names of the layers that the last build made."""
        return sorted(e.layer for e in self.events if isinstance(e, Finished) and e.step == "build" and e.changed)

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    def site(self, build_name: str) -> Path:
        return self.built / build_name / SITE

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of the command line."""
        return environment() | {"UV_CACHE_DIR": str(self.root / "cache")} | self.environ | changes

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "venvstacks", *map(str, arguments)]

    def run(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        stdin: str | None = None,
        environ: Mapping[str, str] | None = None,
        program: Sequence[str | Path] | None = None,
    ) -> Ended:
        """Run the command line to its end."""
        # measuring changes files, too: it is kept out of what is killed at such a moment
        measuring = {} if program else {"COVERAGE_PROCESS_CONFIG": os.environ.get("_MEASURING", "")}
        done = subprocess.run(
            [*map(str, program), *map(str, arguments)] if program else self.command(*arguments),
            cwd=cwd or self.folder,
            env=measuring | self.environment(**(environ or {})),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def succeed(self, *arguments: str | Path, **settings: object) -> Ended:
        """Run the command line, which must not fail."""
        ended = self.run(*arguments, **settings)  # type: ignore[arg-type]
        assert ended.status == 0, ended.stderr
        return ended

    def copied(self, folder: Path) -> "Project":
        """Return a copy of all that there is now, built layers included.

        What the program made is hardlinked: it must never be written through such links anyway.
        """
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=_copy)
        return replace(self, folder=folder, events=[])


def _copy(source: str, destination: str) -> None:
    made = {"_build", "_artifacts", "_export", "_unpacked"} & set(Path(source).parts)
    (os.link if made else shutil.copy2)(source, destination)


def run(program: Path, *arguments: str | Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a layer's Python without help from the environment."""
    variables = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "HOME": "/nowhere", **environ}
    return subprocess.run([program, *arguments], env=variables, capture_output=True, text=True, check=False)


def output(program: Path, *arguments: str | Path, **environ: str) -> str:
    """Run a layer's Python, which must end well and complain of nothing; give what it prints."""
    done = run(program, *arguments, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()
