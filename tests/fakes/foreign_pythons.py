"""Managed Pythons for targets that this machine cannot run: of the right shape, with stubs for native files."""

import sys
from collections.abc import Mapping
from pathlib import Path

from fakes.built_layers import make_tree
from fakes.native_files import EXECUTABLE, PROGRAM, elf, macho, pe
from fakes.pythons import Download, host, own_archive, own_python, pack, write_list
from venvstacks.platforms.targets import TARGETS, Target

Tree = dict[str, bytes | str | None]
_SYSTEMS = {"linux": "linux", "macosx": "macos", "win": "windows"}
# uv rewrites it, and so insists on its form
_SYSCONFIG = b"""\
# system configuration generated and used by the sysconfig module
build_time_vars = {'prefix': '/install'}
"""
_MACHINES = {"arm64": "aarch64", "amd64": "x86_64"}


def key_of(target: Target, release: str, *, libc: str = "gnu") -> str:
    """Return uv's name for a managed Python."""
    machine = _MACHINES.get(target.arch, target.arch)
    libc = libc if target.os == "linux" else "none"
    return f"cpython-{release}-{_SYSTEMS[target.os]}-{machine}-{libc}"


def python_tree(target: Target, minor: str, *, libc: str = "glibc") -> Tree:
    """Return what an installation for a target holds, with what runtimes leave out."""
    if target.is_windows:
        return _windows_tree(target, minor)
    library = f"lib/python{minor}"
    program, module = _posix_stubs(target, libc)
    return {
        f"!bin/python{minor}": program,
        "bin/python3": f"python{minor}",
        "bin/python": f"python{minor}",
        "!bin/pip3": b"#!/install/bin/python3\n",
        f"{library}/os.py": b"",
        f"{library}/test/test_os.py": b"",
        f"{library}/EXTERNALLY-MANAGED": b"",
        f"{library}/lib-dynload/_ssl.so": module,
        f"{library}/_sysconfigdata__x.py": _SYSCONFIG,
        f"{library}/site-packages/pip/__init__.py": b"",
        f"include/python{minor}/Python.h": b"",
        "BUILD": b"20250101",
    }


def _posix_stubs(target: Target, libc: str) -> tuple[bytes, bytes]:
    if target.os == "macosx":
        return macho(target.arch, kind=PROGRAM), macho(target.arch)
    loader = {"glibc": "/lib64/ld-linux.so.2", "musl": f"/lib/ld-musl-{target.arch}.so.1"}[libc]
    needed = {"glibc": "libc.so.6", "musl": f"libc.musl-{target.arch}.so.1"}[libc]
    program = elf(target.arch, kind=EXECUTABLE, interpreter=loader, needed=[needed])
    return program, elf(target.arch, needed=[needed])


def _windows_tree(target: Target, minor: str) -> Tree:
    program, library = pe(target.arch, dll=False), pe(target.arch)
    launchers = ("venvlauncher.exe", "venvwlauncher.exe", "python.exe", "pythonw.exe")
    plain = minor.replace(".", "")
    return {
        "python.exe": program,
        "pythonw.exe": program,
        "python3.dll": library,
        "vcruntime140.dll": library,
        "vcruntime140_1.dll": library,
        f"python{plain}.dll": library,
        "DLLs/_ssl.pyd": library,
        "Lib/os.py": b"",
        "Lib/test/test_os.py": b"",
        "Lib/EXTERNALLY-MANAGED": b"",
        "Lib/site-packages/pip/__init__.py": b"",
        **{f"Lib/venv/scripts/nt/{name}": pe(target.arch, dll=False, needed=[name]) for name in launchers},
        "Scripts/pip3.exe": program,
        "include/Python.h": b"",
    }


def foreign_python(
    folder: Path, target: Target, release: str, *, libc: str = "glibc", tree: Mapping[str, bytes | str | None] = {}
) -> Download:
    """Pack a Python for a target.

    Args:
        folder: Where the archive goes.
        target: The target.
        release: ``X.Y.Z``.
        libc: The C library it is made for, on Linux.
        tree: What it holds in addition, or instead.
    """
    minor = ".".join(release.split(".")[:2])
    place = folder / f"{target.name}-{libc}-{release}"
    archive = pack(make_tree(place, {**python_tree(target, minor, libc=libc), **tree}))
    key = key_of(target, release, libc={"glibc": "gnu", "musl": "musl"}[libc])
    return Download.at(key, archive)


def list_of_all(folder: Path, root: Path) -> str:
    """Write uv's list with the Python that runs the tests for this machine, and stubs of it for all other targets.

    Args:
        folder: Where the list and the archives go.
        root: A folder of the session.
    """
    release = own_python().release
    own = Download.of(own_archive(root), release)
    others = [target for target in TARGETS.values() if target != host().target]
    stubs = [foreign_python(folder, target, release) for target in others]
    assert sys.platform == "linux"
    return write_list(folder / "pythons.json", [own, *stubs])
