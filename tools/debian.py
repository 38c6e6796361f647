"""Debian's packages for tests: what is missing is installed, or said how to install."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Asked by the scripts of packages before they start a service; 101 forbids it.
_POLICY = Path("/usr/sbin/policy-rc.d")
_SERVERS = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


class MissingError(Exception):
    """A package cannot be had; the message is for people."""


def find(program: str) -> str | None:
    """Return the path of a program, also of one that only administrators have on their PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{_SERVERS}")


def missing(needed: Mapping[str, str]) -> list[str]:
    """Return the packages whose programs are not there.

    Args:
        needed: A program that only this package brings -> the package.
    """
    return [package for program, package in needed.items() if find(program) is None]


def commands(packages: Sequence[str]) -> list[list[str]]:
    """Return the commands that install packages, without questions and without what is merely recommended."""
    quiet = ["apt-get", "-qq", "-oAcquire::Retries=2"]
    return [[*quiet, "update"], [*quiet, "install", "-y", "--no-install-recommends", *packages]]


def install(packages: Sequence[str], *, machine: str = "") -> None:
    """Install packages, or report who could.

    Args:
        packages: Their names.
        machine: The only kind of machine that they are for; empty for any.

    Raises:
        MissingError: This is not Debian, not root, or the package archive does not answer.
    """
    steps = commands(packages)
    listed = ", ".join(packages)
    is_right = machine in ("", platform.machine())
    if shutil.which("apt-get") is None or sys.platform != "linux" or not is_right:
        on = f" on {machine}" if machine else ""
        raise MissingError(f"These tests need Debian 12{on}, with its packages {listed}.")
    if os.geteuid() != 0:
        shown = "".join(f"\n    sudo {' '.join(step)}" for step in steps)
        raise MissingError(f"Debian's packages {listed} are not installed. Run this, then try again:{shown}")
    print(f"Installing {listed} ...", flush=True)
    with _no_services():
        for step in steps:
            _run(step)


def _run(step: Sequence[str]) -> None:
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


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their servers: the tests start their own."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
