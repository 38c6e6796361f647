import ctypes
import os
import random
import subprocess
from pathlib import Path

import pytest

from fakes import native_files as native
from fakes.c_wheels import Compiler
from fakes.pythons import patchelf
from venvstacks.binaries.elf_search import copy_with_search
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Image, NativeFile
from venvstacks.errors import BinaryFormatError


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path / "cc")


def image(path: Path) -> Image:
    (found,) = read_binary(path)
    return found


def linkage(path: Path) -> NativeFile:
    return image(path).linkage


def placed(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_library_without_a_search_path_gets_one_and_loads(tmp_path: Path, compiler: Compiler) -> None:
    needed = compiler.library("needed", 40)
    placed(tmp_path / "far" / "libneeded.so.1", needed)
    source = placed(tmp_path / "near" / "liba.so.1", compiler.library("a", 2, ["needed"]))
    copy = source.with_name("copy.so")
    copy_with_search(source, copy, ["$ORIGIN/../far"])
    assert linkage(copy).search == ("$ORIGIN/../far",)
    assert not linkage(copy).passes_search
    assert ctypes.CDLL(str(copy)).a() == 42


@pytest.mark.parametrize("kind", ["runpath", "rpath"])
def test_folders_are_added_behind_those_that_are_there(tmp_path: Path, compiler: Compiler, kind: str) -> None:
    source = placed(tmp_path / "liba.so.1", compiler.library("a", 2, **{kind: "$ORIGIN/x"}))
    copy_with_search(source, tmp_path / "copy", ["$ORIGIN/y", "$ORIGIN/z"])
    before, after = linkage(source), linkage(tmp_path / "copy")
    assert after.search == ("$ORIGIN/x", "$ORIGIN/y", "$ORIGIN/z")
    assert after.passes_search == before.passes_search == (kind == "rpath")
    assert (after.needed, after.name) == (before.needed, before.name)
    assert image(source).glibc == image(tmp_path / "copy").glibc


@pytest.mark.parametrize("kind", ["runpath", "rpath"])
@pytest.mark.parametrize("search", [["$ORIGIN/y"], ["$ORIGIN/a/much/longer/path/than/before", "/opt/lib"], []])
def test_folders_replace_those_that_are_there(
    tmp_path: Path, compiler: Compiler, kind: str, search: list[str]
) -> None:
    source = placed(tmp_path / "liba.so.1", compiler.library("a", 2, **{kind: "$ORIGIN/x"}))
    copy_with_search(source, tmp_path / "copy.so", search, replace=True)
    before, after = linkage(source), linkage(tmp_path / "copy.so")
    assert after.search == tuple(search)
    assert after.passes_search == before.passes_search == (kind == "rpath")
    assert (after.needed, after.name) == (before.needed, before.name)
    assert image(source).glibc == image(tmp_path / "copy.so").glibc
    assert patchelf("--print-rpath", tmp_path / "copy.so").strip() == ":".join(search)
    assert ctypes.CDLL(str(tmp_path / "copy.so")).a() == 2


@pytest.mark.parametrize("pie", [True, False])
def test_programs_still_start(tmp_path: Path, compiler: Compiler, *, pie: bool) -> None:
    placed(tmp_path / "lib" / "libneeded.so.1", compiler.library("needed", 42))
    source = placed(tmp_path / "bin" / "tool", compiler.program_file("tool", ["needed"], pie=pie))
    source.chmod(0o755)
    copy = source.with_name("copy")
    copy_with_search(source, copy, ["$ORIGIN/../lib"])
    assert subprocess.run([source], capture_output=True, check=False).returncode != 0
    assert subprocess.run([copy], capture_output=True, check=True, text=True).stdout == "42\n"


def test_the_same_bytes_every_time_and_the_source_untouched(tmp_path: Path, compiler: Compiler) -> None:
    content = compiler.library("a", 1)
    source = placed(tmp_path / "liba.so.1", content)
    for name in ("first", "second"):
        copy_with_search(source, tmp_path / name, ["$ORIGIN/x"])
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert source.read_bytes() == content


def test_tools_that_look_at_sections_see_the_change(tmp_path: Path, compiler: Compiler) -> None:
    source = placed(tmp_path / "liba.so.1", compiler.library("a", 1))
    copy_with_search(source, tmp_path / "copy", ["$ORIGIN/x"])
    assert patchelf("--print-rpath", tmp_path / "copy").strip() == "$ORIGIN/x"
    assert patchelf("--print-soname", tmp_path / "copy").strip() == "liba.so.1"


def test_a_copy_can_be_changed_again(tmp_path: Path, compiler: Compiler) -> None:
    source = placed(tmp_path / "liba.so.1", compiler.library("a", 7))
    copy_with_search(source, tmp_path / "one.so", ["$ORIGIN/x"])
    copy_with_search(tmp_path / "one.so", tmp_path / "two.so", ["$ORIGIN/y"])
    assert linkage(tmp_path / "two.so").search == ("$ORIGIN/x", "$ORIGIN/y")
    assert ctypes.CDLL(str(tmp_path / "two.so")).a() == 7


def test_a_big_library_is_read_in_part(tmp_path: Path, compiler: Compiler) -> None:
    source = placed(tmp_path / "liba.so.1", compiler.library("a", 3))
    os.truncate(source, 2 << 30)  # sparse
    assert linkage(source).name == "liba.so.1"
    os.truncate(source, 200 << 20)
    copy_with_search(source, tmp_path / "copy.so", ["$ORIGIN/x"])
    assert linkage(tmp_path / "copy.so").search == ("$ORIGIN/x",)
    assert ctypes.CDLL(str(tmp_path / "copy.so")).a() == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no library",
        native.elf("armv7l", bits=32, needed=["libc.so.6"]),
        native.elf("s390x", order=">", needed=["libc.so.6"]),
        native.elf(kind=native.RELOCATABLE),
        native.elf(needed=["libc.so.6"]),  # which does not say how long its string table is
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    source = placed(tmp_path / "file", content)
    with pytest.raises(BinaryFormatError):
        copy_with_search(source, tmp_path / "copy", ["$ORIGIN/x"])
    assert not (tmp_path / "copy").exists()


def test_damage_is_told_or_survived_and_never_hangs(tmp_path: Path, compiler: Compiler) -> None:
    content = compiler.library("a", 1)
    chance = random.Random(2026)  # noqa: S311 - the same damage every time
    refused = 0
    for number in range(400):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(4, 1200)] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        if number % 3 == 0:
            del damaged[chance.randrange(len(damaged)) :]
        source = placed(tmp_path / "damaged", bytes(damaged))
        copy = tmp_path / "copy"
        try:
            copy_with_search(source, copy, ["$ORIGIN/x"])
        except BinaryFormatError:
            refused += 1
        if copy.exists():
            assert copy.stat().st_size < 4 << 20
            copy.unlink()
    assert 50 < refused < 400
