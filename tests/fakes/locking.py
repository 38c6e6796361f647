"""Locking as the API does it, without a build folder and without runtimes."""

import json
import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from venvstacks.definition.stack import Layer, Stack
from venvstacks.locking.layer_lock import LayerLock
from venvstacks.locking.lock_plan import plan_lock
from venvstacks.locking.lock_run import LockedLayer, run_lock
from venvstacks.locking.states import load_lock, lock_states
from venvstacks.options import Options
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.session import Session
from venvstacks.work import Work

NEWEST_PATCH = "9"
"""The patch release that two-part Python versions get here."""


def plain_environment(cache: Path) -> dict[str, str]:
    """Return an environment without settings for uv, with a cache of its own and no patience."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "XDG_"))}
    return {**kept, "UV_CACHE_DIR": str(cache), "UV_HTTP_RETRIES": "0", "COLUMNS": "40"}


@dataclass(frozen=True)
class Locker:
    """Locks stacks from folders with wheels.

    Attributes:
        environ: The environment.
        wheels: Folders with wheels.
        no_index: Whether these folders alone are used.
        work: How; a new one for each call if not given.
    """

    environ: Mapping[str, str]
    wheels: tuple[Path, ...] = ()
    no_index: bool = True
    work: Work | None = None

    def __call__(
        self,
        stack: Stack,
        *,
        include: Collection[str] | None = None,
        needed: Collection[str] | None = None,
        reset: Collection[str] = (),
    ) -> dict[str, LockedLayer]:
        """Lock all layers; or resolve ``include`` only; or make sure of ``needed`` only."""
        everything = [layer.build_name for layer in stack.layers]
        chosen = everything if include is None and needed is None else include or ()
        plan = plan_lock(stack, lock_states(stack), resolve=chosen, needed=needed or (), forget_pins=reset)
        with TemporaryDirectory() as scratch:
            options = Options(local_wheels=self.wheels, no_index=self.no_index, environ=self.environ)
            session = Session(stack, options, Path(scratch), self.work or Work(jobs=4))
            return run_lock(session, plan, _newest_patch)


def _newest_patch(layer: Layer, earlier: PythonVersion | None) -> PythonVersion:
    if layer.python.is_exact:
        return layer.python.exactly(layer.python.version)
    return earlier or layer.python.exactly(f"{layer.python.version}.{NEWEST_PATCH}")


def load_all(stack: Stack) -> dict[str, LayerLock]:
    """Read the locks of all layers that are not disabled."""
    states = lock_states(stack)
    return {name: load_lock(stack, state) for name, state in states.items() if state.layer.compatibilities}


def content(stack: Stack) -> dict[str, bytes]:
    """Return all that is in the folder of locks: path -> content."""
    return {path.relative_to(stack.requirements_folder).as_posix(): path.read_bytes() for path in _files(stack)}


def _files(stack: Stack) -> Iterator[Path]:
    return (path for path in sorted(stack.requirements_folder.rglob("*")) if path.is_file())


def text_of(stack: Stack, name: str, pattern: str) -> str:
    """Return one of the files of a layer's lock: ``pylock.{}.toml``, ``requirements-{}.in`` and so on."""
    file = stack.requirements_folder / name / pattern.format(name.replace(".", "_"))
    return file.read_text(encoding="utf-8")


def pylock_of(stack: Stack, name: str) -> dict[str, Any]:
    """Return what a layer's lock says."""
    return tomllib.loads(text_of(stack, name, "pylock.{}.toml"))


def metadata_of(stack: Stack, name: str) -> dict[str, Any]:
    """Return the metadata of a layer's lock."""
    found: dict[str, Any] = json.loads(text_of(stack, name, "pylock.{}.meta.json"))
    return found
