"""Running what the demo shows: the command, its output, and the seconds it took."""

import os
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("venvstacks")


def venvstacks(*arguments: str, cwd: Path, fails: bool = False) -> None:
    """Run the command line."""
    show(["venvstacks", *arguments], [str(PROGRAM), *arguments], cwd=cwd, fails=fails)


def program(name: str, *, cwd: Path) -> None:
    """Run a program by its path relative to a folder."""
    path = f"{name}.cmd" if os.name == "nt" else name
    show([name], [str(cwd / path)], cwd=cwd)


def show(words: list[str], command: list[str], *, cwd: Path, fails: bool = False) -> None:
    """Run a command, and end the demo if it does not end as it should.

    Args:
        words: What is shown for it.
        command: What is run.
        cwd: Where.
        fails: Whether it should fail.
    """
    print(f"\n$ {' '.join(words)}", flush=True)
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, check=False)
    if (done.returncode != 0) is not fails:
        sys.exit(done.returncode or f"demo: this should have failed: {' '.join(words)}")
    print(f"({time.perf_counter() - began:.1f} s)", flush=True)
