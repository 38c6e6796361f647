"""Libraries across layers for foreign targets: built here, loaded there."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tomlkit

import venvstacks
from fakes.c_wheels import Compiler, library_wheel
from fakes.wheels import make_wheel
from targets.foreign import Run
from targets.test_cross_builds import published
from targets.windows import COMPILER
from venvstacks.errors import FindingsError

MODULE = """\
import ctypes, ctypes.util, os
from fast import fast
print(fast.value(), ctypes.CDLL("libtwo.so.1").two(), os.path.basename(ctypes.util.find_library("one")))
"""
WINDOWS_MODULE = """\
import ctypes
print(ctypes.CDLL("three.dll").three(), ctypes.CDLL("one.dll").one())
"""


def define(
    folder: Path, downloads: str, target: str, python: str, *packages: str, module: str, **lowest: Any
) -> venvstacks.Stack:
    """Write a definition with one package a layer, each on the one before, and lock it from local wheels."""
    limits = {"platforms": [target], "linux_target": "glibc@2.36"}
    one, two, three = packages
    base = {"name": "base", "python_implementation": f"cpython@{python}", "requirements": []}
    frameworks = [
        {"name": "one", "runtime": "base", "requirements": [one], "versioned": True, **lowest},
        {"name": "two", "frameworks": ["one"], "requirements": [two]},
    ]
    tool = {"name": "tool", "launch_module": "tool.py", "frameworks": ["two"], "requirements": [three]}
    document = {
        "tool": {"uv": {"python-downloads-json-url": downloads}},
        "runtimes": [base | limits],
        "frameworks": [each | limits for each in frameworks],
        "applications": [tool | limits],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tool.py").write_text(module, encoding="utf-8")
    (folder / "venvstacks.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    stack = venvstacks.load_stack(folder / "venvstacks.toml")
    venvstacks.lock(stack, options=venvstacks.Options(local_wheels=(Path("wheels"),), no_index=True))
    return stack


def test_linux_aarch64(downloads_list: str, run_aarch64: Run, tmp_path: Path) -> None:
    compiler, wheels = Compiler(tmp_path / "cc", "aarch64-linux-gnu-gcc"), tmp_path / "built" / "wheels"
    library_wheel(wheels, "one", {"lib/libone.so.1": compiler.library("one", 1)}, machine="aarch64")
    library_wheel(wheels, "two", {"lib/libtwo.so.1": compiler.library("two", 10, ["one"])}, machine="aarch64")
    library_wheel(wheels, "fast", {"fast.so": compiler.extension("fast", 100, ["two"])}, machine="aarch64")
    packages = ("one", "two", "fast")
    stack = define(tmp_path / "built", downloads_list, "linux_aarch64", "3.11.2", *packages, module=MODULE)
    place = published(stack, "linux_aarch64", tmp_path / "unpacked")
    moved = tmp_path / "moved to a place with späce"
    place.rename(moved)
    assert run_aarch64(moved / "app-tool" / "bin" / "python", "-P", "-m", "tool").stdout == "111 11 libone.so.1\n"


def dll(folder: Path, name: str, value: int, needs: Sequence[str] = ()) -> bytes:
    """Compile ``NAME.dll``, whose function ``NAME`` gives a number plus those of what it needs."""
    folder.mkdir(exist_ok=True)
    declared = "".join(f"__declspec(dllimport) int {need}(void);\n" for need in needs)
    summed = " + ".join([str(value), *(f"{need}()" for need in needs)])
    source = folder / f"{name}.c"
    source.write_text(f"{declared}__declspec(dllexport) int {name}(void) {{ return {summed}; }}\n")
    command: list[str | Path] = [COMPILER, "-shared", "-s", "-o", folder / f"{name}.dll", source, f"-L{folder}"]
    subprocess.run([*command, *(f"-l:{need}.dll" for need in needs)], check=True)
    return (folder / f"{name}.dll").read_bytes()


def windows_wheels(folder: Path, wheels: Path) -> None:
    needs: list[str] = []
    for name, value in (("one", 1), ("two", 10), ("three", 100)):
        content = dll(folder, name, value, needs)
        files: dict[str, str | bytes] = {f"{name}/__init__.py": "", f"{name}/bin/{name}.dll": content}
        make_wheel(wheels, name, "1", tag="py3-none-win_amd64", files=files)
        needs = [name]


def test_win_amd64(downloads_list: str, run_windows: Run, tmp_path: Path) -> None:
    windows_wheels(tmp_path / "cc", tmp_path / "built" / "wheels")
    packages = ("one", "two", "three")
    stack = define(tmp_path / "built", downloads_list, "win_amd64", "3.13.2", *packages, module=WINDOWS_MODULE)
    place = published(stack, "win_amd64", tmp_path / "unpacked to a späce")
    run_windows(place / "base" / "python.exe", place / "app-tool" / "postinstall.py", "--no-compile")
    python = place / "app-tool" / "Scripts" / "python.exe"
    assert run_windows(python, "-P", "-m", "tool").stdout == "111 1\n"


def test_win_amd64_with_a_missing_library(downloads_list: str, tmp_path: Path) -> None:
    windows_wheels(tmp_path / "cc", tmp_path / "built" / "wheels")
    packages = ("one", "two", "three")
    stack = define(
        tmp_path / "built",
        downloads_list,
        "win_amd64",
        "3.13.2",
        *packages,
        module="",
        dynlib_exclude=["one.dll"],
    )
    with pytest.raises(FindingsError, match=r"two 1 needs one\.dll, .*two\.dll; framework 'one' has it"):
        venvstacks.build(stack, platforms=["win_amd64"], options=venvstacks.Options(strict=True))
