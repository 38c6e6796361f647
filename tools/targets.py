"""Run the tests on foreign targets: ``python3 dev.py test-targets``.

Emulators and a cross compiler come from Debian's packages. Whatever else the tests need, they fetch themselves,
once, into ``.targets/`` or the folder that VENVSTACKS_TARGETS_CACHE names.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A program that only this Debian package brings -> the package.
NEEDED = {
    "qemu-aarch64-static": "qemu-user-static",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "wine": "wine",
    "wineserver": "wine64",
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",
}


class MissingError(Exception):
    """An emulator cannot be had; the message is for people."""


def missing() -> list[str]:
    """Return the packages whose programs are not there."""
    return [package for program, package in NEEDED.items() if shutil.which(program) is None]


def commands(packages: Sequence[str]) -> list[list[str]]:
    """Return the commands that install packages, without questions and without what is merely recommended."""
    quiet = ["apt-get", "-qq", "-oAcquire::Retries=2"]
    # headers come with the cross compiler only as a recommendation
    headers = ["libc6-dev-arm64-cross"] if "gcc-aarch64-linux-gnu" in packages else []
    return [[*quiet, "update"], [*quiet, "install", "-y", "--no-install-recommends", *packages, *headers]]


def install(packages: Sequence[str]) -> None:
    """Install packages, or report who could.

    Raises:
        MissingError: This is not Debian, not root, or the package archive does not answer.
    """
    steps = commands(packages)
    listed = ", ".join(packages)
    if shutil.which("apt-get") is None or sys.platform != "linux" or platform.machine() != "x86_64":
        raise MissingError(f"These tests need Debian 12 on x86_64, with its packages {listed}.")
    if os.geteuid() != 0:
        shown = "".join(f"\n    sudo {' '.join(step)}" for step in steps)
        raise MissingError(f"Debian's packages {listed} are not installed. Run this, then try again:{shown}")
    print(f"Installing {listed} ...", flush=True)
    for step in steps:
        done = subprocess.run(
            step,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            said = "\n".join(f"    {line}" for line in f"{done.stdout}\n{done.stderr}".strip().splitlines()[-8:])
            raise MissingError(f"Debian's package archive must answer. '{' '.join(step)}' says:\n{said}")


def main(arguments: list[str]) -> int:
    """Run pytest on ``tests/targets``, with everything that it needs, and return its exit code."""
    packages = missing()
    if packages:
        try:
            install(packages)
        except MissingError as error:
            print(f"dev.py: {error}", file=sys.stderr)
            return 1
    is_given = any(word.startswith(("-n", "--numprocesses", "--pdb")) for word in arguments)
    workers = [] if is_given else ["-n", "auto"]
    command = [sys.executable, "-m", "pytest", *workers, "tests/targets", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
