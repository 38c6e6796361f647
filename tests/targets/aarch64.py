"""linux_aarch64: a CPython 3.11 put together from Debian's arm64 packages, run by qemu."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fakes.pythons import Download, pack
from targets.foreign import run_program
from targets.preparing import PreparationError, do, prepare

KEY = "cpython-3.11.2-linux-aarch64-gnu"
EMULATOR = "qemu-aarch64-static"
LIBRARY = "python3.11"

# The interpreter, and all libraries that its extension modules and the wheels of others need from a machine.
_PACKAGES = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libssl3", "libsqlite3-0", "libffi8", "liblzma5"),
    *("libbz2-1.0", "libuuid1", "libcrypt1", "libdb5.3", "libncursesw6", "libtinfo6", "libreadline8", "libnsl2"),
    *("libtirpc3", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0", "libcom-err2"),
    "libkeyutils1",
)
_ADVICE = "Debian's package archive must answer apt-get, and this machine's sources must be those of Debian 12."


@dataclass(frozen=True)
class Aarch64:
    """The interpreter and its machine.

    Attributes:
        root: The libraries of an arm64 Debian 12, without Python.
        download: The archive of the interpreter.
    """

    root: Path
    download: Download

    def run(
        self,
        python: Path,
        *arguments: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run an interpreter for linux_aarch64; it can fork, but not start another program for its target."""
        command = [EMULATOR, "-L", self.root, python, *arguments]
        return run_program(command, {"LC_ALL": "C.UTF-8", **(env or {})}, cwd=cwd, check=check)


def prepare_aarch64() -> Aarch64:
    """Return the interpreter, from the cache if it is there."""
    folder = prepare("linux_aarch64", [Path(__file__).read_bytes()], _make)
    return Aarch64(folder / "root", Download.at(KEY, folder / "python.tar.gz"))


def _make(folder: Path) -> None:
    if shutil.which(EMULATOR) is None:
        raise PreparationError(f"There is no {EMULATOR}. Run: python3 dev.py test-targets")
    root = folder / "root"
    for package in sorted(_download(folder / "apt").glob("*.deb")):
        do(["dpkg-deb", "-x", package, root], f"unpack {package.name}", advice=_ADVICE)
    shutil.rmtree(folder / "apt")
    found = root / "usr" / "bin" / LIBRARY
    release = do([EMULATOR, "-L", root, found, "-IS", "-V"], f"run {LIBRARY} for arm64", advice="").split()[-1]
    if release not in KEY:
        raise PreparationError(f"Debian's {LIBRARY} is {release}: it does not belong to {KEY}.")
    _pack(root, folder / "python")


def _download(scratch: Path) -> Path:
    """Fetch the packages with apt's own means and this machine's sources, but nothing of its state."""
    packages = scratch / "packages"
    for path in (scratch / "lists" / "partial", scratch / "cache" / "archives" / "partial", packages):
        path.mkdir(parents=True)
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "Dir::State::Lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "root",  # the user it changes to otherwise may not write into these folders
        "APT::Update::Error-Mode": "any",  # else it goes on with nothing when no server answers
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    do([*apt, "update"], "fetch the list of arm64 packages", advice=_ADVICE)
    do([*apt, "download", *_PACKAGES], "fetch arm64 packages", advice=_ADVICE, cwd=packages)
    return packages


def _pack(root: Path, tree: Path) -> None:
    """Take Python out of the root, in the shape of a managed build."""
    programs, library = tree / "bin", tree / "lib" / LIBRARY
    programs.mkdir(parents=True)
    library.parent.mkdir()
    (root / "usr" / "bin" / LIBRARY).rename(programs / LIBRARY)
    for name in ("python", "python3"):
        (programs / name).symlink_to(LIBRARY)
    (root / "usr" / "lib" / LIBRARY).rename(library)
    for path in [*library.rglob("*")]:
        if path.is_symlink() and path.readlink().is_absolute():
            path.unlink()  # settings of the machine, not of Python
    site = library / "site-packages"
    site.mkdir()
    # What managed builds bring and runtimes leave out.
    (site / "pip").mkdir()
    (site / "pip" / "__init__.py").write_text("")
    (programs / "pip3").write_text("#!/install/bin/python3\n")
    # Debian's `site`, which is frozen into the interpreter, looks for packages here.
    (library / "dist-packages").symlink_to("site-packages")
    pack(tree)
