"""Managed Pythons: the builds that uv downloads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from packaging.version import Version

from venvstacks.definition.stack import PythonRequest, UvSettings
from venvstacks.definition.uv_settings import is_address
from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import RuntimeProviderError
from venvstacks.file_names import absolute_path
from venvstacks.files import remove_tree
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, host_compatibility
from venvstacks.runtimes.build_information import NEUTRAL_PREFIX, move_build_information
from venvstacks.runtimes.interpreters import exact_request
from venvstacks.runtimes.smoke_test import check_runtime
from venvstacks.runtimes.trimming import copy_tree, trim_posix, trim_windows
from venvstacks.uv import Uv, explanation, install_python, list_pythons
from venvstacks.work import Work

# Names of [tool.uv] and the environment variables that uv reads for them; the environment wins.
_MIRRORS = {
    "python-install-mirror": "UV_PYTHON_INSTALL_MIRROR",
    "pypy-install-mirror": "UV_PYPY_INSTALL_MIRROR",
    "python-downloads-json-url": "UV_PYTHON_DOWNLOADS_JSON_URL",
}
# Where a local interpreter is ready, waiting for a server that does not answer helps nobody.
_IMPATIENT = {"UV_HTTP_RETRIES": "0", "UV_HTTP_CONNECT_TIMEOUT": "2", "UV_HTTP_TIMEOUT": "2"}
_HINT = "check the mirror that it came from, and build with --clean to download it again"


class _Download(msgspec.Struct, frozen=True):
    """One entry of uv's list of Pythons."""

    key: str
    version: str
    os: str
    arch: str
    libc: str
    implementation: str
    variant: str = "default"


@dataclass(frozen=True, slots=True)
class ManagedRuntimes:
    """Pythons that uv downloads.

    Attributes:
        settings: The stack's settings, for mirrors.
        downloads: A folder that keeps what was downloaded.
        environ: This process's environment, whose mirrors win.
        impatient: Whether a server that does not answer at once is given up.
    """

    uv: Uv
    settings: UvSettings
    downloads: Path
    work: Work
    environ: Mapping[str, str]
    impatient: bool = False

    def newest(self, request: PythonRequest, on: tuple[Compatibility, ...]) -> PythonVersion:
        """Return the newest release that is published for all targets."""
        found = [d for d in self._list(request) if re.fullmatch(r"[\d.]+", d.version)]
        releases = {each: {d.version for d in found if _fits(d, each)} for each in on}
        common = set[str].intersection(*releases.values()) if releases else set()
        if not common:
            lacking = [each for each in on if not releases[each]]
            where = ", ".join(each.describe() for each in lacking or on)
            raise RuntimeProviderError(
                f"No managed {request} is published for {where if lacking else f'all of {where}'}.",
                hint="use a version that is published, or limit the runtime's `platforms`",
            )
        return request.exactly(max(common, key=Version))

    def fetch(self, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        """Download a managed Python, unless it is kept from before, and copy it."""
        kept = self._provide(python, on)
        copy_tree(kept, folder, skip=lambda name: name == "__pycache__")
        if on.target.is_windows:
            trim_windows(folder)
        else:
            trim_posix(folder, python)
        move_build_information(folder, [str(kept), str(kept.resolve()), NEUTRAL_PREFIX])
        if on.runs_here:
            check_runtime(folder, python, self.work, title=f"The managed {python.request}", hint=_HINT)

    def program(self, python: PythonVersion) -> Path:
        """Download a managed Python for this machine, unless it is kept from before, and return its program."""
        on = host_compatibility()
        kept = self._provide(python, on)
        return next(kept / name for name in _programs(python, on) if (kept / name).is_file())

    def _provide(self, python: PythonVersion, on: Compatibility) -> Path:
        """Download a managed Python, unless it is kept from before; return its folder."""
        found = self._list(exact_request(python))
        download = next((d for d in found if d.version == python.release and _fits(d, on)), None)
        if download is None:
            local = "use an interpreter of this machine (--local-runtime)"
            remedy = local if on.runs_here else "limit its `platforms`"
            raise RuntimeProviderError(
                f"No managed {python.request} is published for {on.describe()}.",
                hint=f"use a version that is published, or {remedy}",
            )
        return self._download(download, python, on)

    def _download(self, download: _Download, python: PythonVersion, on: Compatibility) -> Path:
        self.downloads.mkdir(parents=True, exist_ok=True)
        done = install_python(self.uv, self._environment(), download.key, self.downloads, self.work)
        kept = self.downloads / download.key
        title = f"The managed {python.request} for {on.describe()}"
        if done.returncode != 0 or not kept.is_dir():
            remove_tree(kept)  # uv would take what it left there for whole
            way = ", or use an interpreter of this machine (--local-runtime=fallback)" if on.runs_here else ""
            raise RuntimeProviderError(
                f"{title} is not available. uv says:\n{explanation(done.stderr)}",
                hint=f"name a mirror (UV_PYTHON_INSTALL_MIRROR){way}",
            )
        missing = _missing_parts(kept, python, on)
        if missing:
            remove_tree(kept)  # so that it is downloaded again when the server has been mended
            raise RuntimeProviderError(
                f"{title} has no {' and no '.join(missing)}: it is not an installation of that Python.", hint=_HINT
            )
        return kept

    def _list(self, request: PythonRequest) -> list[_Download]:
        wanted = f"{request.implementation}@{request.version}{'+freethreaded' if request.freethreaded else ''}"
        text = list_pythons(self.uv, self._environment(), wanted, self.work)
        try:
            downloads = parse_json(text, list[_Download])
        except DocumentError as error:
            raise RuntimeProviderError(
                f"uv's list of Pythons for {wanted} cannot be read: {error}.",
                hint="check UV_PYTHON_DOWNLOADS_JSON_URL, if it is set",
            ) from error
        variant = "freethreaded" if request.freethreaded else "default"
        return [
            download
            for download in downloads
            if download.implementation == request.implementation
            and download.variant == variant
            and request.accepts(request.exactly(download.version))
        ]

    def _environment(self) -> dict[str, str]:
        mirrors = {
            variable: _address(str(self.settings.table[name]), self.settings.folder)
            for name, variable in _MIRRORS.items()
            if name in self.settings.table and variable not in self.environ
        }
        patience = {name: value for name, value in _IMPATIENT.items() if name not in self.environ}
        return {**mirrors, **(patience if self.impatient else {})}


def _missing_parts(kept: Path, python: PythonVersion, on: Compatibility) -> list[str]:
    """Look whether a download has the shape of an installation for its target, without running anything."""
    programs = _programs(python, on)
    library = "Lib" if on.target.is_windows else f"lib/{python.lib_name}"
    missing = [] if any((kept / program).is_file() for program in programs) else [programs[0]]
    return missing if (kept / library).is_dir() else [*missing, f"{library}/"]


def _programs(python: PythonVersion, on: Compatibility) -> list[str]:
    """Return the names that the interpreter may have in a download."""
    if on.target.is_windows:
        return ["python.exe"]
    return [f"bin/{name}" for name in (f"python{python.minor}", python.lib_name, "python3", "python")]


def _address(text: str, folder: Path) -> str:
    """Return a setting as an address: uv takes paths for some of them only, and relative to elsewhere."""
    if is_address(text):
        return text
    return absolute_path(text, folder).as_uri()


def _fits(download: _Download, on: Compatibility) -> bool:
    system = {"linux": "linux", "macosx": "macos", "win": "windows"}[on.target.os]
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(on.target.arch, on.target.arch)
    libc = {"glibc": "gnu", "musl": "musl"}[on.libc] if on.target.os == "linux" else "none"
    return (download.os, download.arch, download.libc) == (system, machine, libc)
