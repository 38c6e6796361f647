"""What is fetched or built once and kept: a cache with one folder for each recipe, safe for parallel workers."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

PROJECT = Path(__file__).resolve().parents[2]
CACHE_VARIABLE = "VENVSTACKS_TARGETS_CACHE"
TIMEOUT = 300  # seconds after which a step is given up


class PreparationError(Exception):
    """Something without which foreign targets cannot be tried; the message is for people."""


def cache_folder() -> Path:
    """Return the folder that keeps interpreters: shared by checkouts if the environment names one."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).absolute() if chosen else PROJECT / ".targets"


def prepare(name: str, recipe: Sequence[str | bytes], make: Callable[[Path], None]) -> Path:
    """Return a folder that is made once for each recipe.

    Args:
        name: What it holds.
        recipe: Whatever decides its content: a change makes a new folder.
        make: Fills an empty folder, which is not at its final place yet: nothing in it may name the place.
    """
    parts = [part.encode() if isinstance(part, str) else part for part in recipe]
    digest = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed: the lock is ours
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def do(command: Sequence[str | Path], purpose: str, *, advice: str, cwd: Path | None = None) -> str:
    """Run one step of a preparation.

    Args:
        command: Program and arguments.
        purpose: What a message says that could not be done.
        advice: What it recommends.
        cwd: Where to run it.

    Returns:
        What it wrote to stdout.

    Raises:
        PreparationError: It is not there, failed or did not end.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise PreparationError(
            f"Cannot {purpose}: there is no program {command[0]}. Run: python3 dev.py test-targets"
        ) from None
    except subprocess.TimeoutExpired:
        raise PreparationError(f"Cannot {purpose}: no answer in {TIMEOUT} seconds. {advice}") from None
    if done.returncode != 0:
        said = "\n".join(f"    {line}" for line in f"{done.stdout}\n{done.stderr}".strip().splitlines()[-8:])
        raise PreparationError(f"Cannot {purpose} (exit status {done.returncode}). {advice} It said:\n{said}")
    return done.stdout
