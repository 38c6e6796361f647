"""A definition with local wheels, and layers built from it for real, on a runtime copied once a session."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import venvstacks
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
    """Have local runtimes come from the session's copy."""
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


@dataclass
class Project:
    """A definition's folder with what is needed to build it without an index.

    Attributes:
        folder: The definition's folder.
        root: A folder of the session, for what is shared.
        settings: ``[tool.uv]``.
        environ: More environment variables.
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
        import tomlkit  # noqa: PLC0415

        document: dict[str, Any] = {
            "tool": {"venvstacks": {"local-runtime": self.policy}, "uv": dict(self.settings)}
        }
        for layer in layers:
            fields = {name: value for name, value in layer.items() if name != "kind"}
            document.setdefault(layer["kind"], []).append(fields)
            module = fields.get("launch_module")
            if module and not (self.folder / module).exists():
                self.write(module, "print(__name__)\n")
        self.write("venvstacks.toml", tomlkit.dumps(document))

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
        """Give the build names of the layers that the last build made."""
        return sorted(e.layer for e in self.events if isinstance(e, Finished) and e.step == "build" and e.changed)

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    def site(self, build_name: str) -> Path:
        return self.built / build_name / SITE


def run(program: Path, *arguments: str | Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a layer's Python without help from the environment."""
    variables = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "HOME": "/nowhere", **environ}
    return subprocess.run([program, *arguments], env=variables, capture_output=True, text=True, check=False)


def output(program: Path, *arguments: str | Path, **environ: str) -> str:
    """Run a layer's Python, which must end well and complain of nothing; give what it prints."""
    done = run(program, *arguments, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()
