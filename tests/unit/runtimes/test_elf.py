import shutil
from pathlib import Path

import pytest

from fakes.pythons import patchelf
from venvstacks.runtimes.elf import read_dynamic


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Give a private copy of a program of the machine."""
    found = shutil.which("ls")
    assert found is not None
    return Path(shutil.copy(Path(found).resolve(), tmp_path / "program"))


def test_needed_libraries_are_those_that_patchelf_reports(program: Path) -> None:
    dynamic = read_dynamic(program)
    assert dynamic is not None
    assert [*dynamic.needed] == patchelf("--print-needed", program).split()
    assert any(name.startswith("libc.") for name in dynamic.needed)


@pytest.mark.parametrize("kind", ["--set-rpath", "--force-rpath"])
def test_runpaths_and_rpaths_are_read(program: Path, kind: str) -> None:
    extra = [kind] if kind == "--force-rpath" else []
    patchelf(*extra, "--set-rpath", "/opt/lib:$ORIGIN/../lib", program)
    dynamic = read_dynamic(program)
    assert dynamic is not None
    assert dynamic.runpath == ("/opt/lib", "$ORIGIN/../lib")


def test_a_file_without_runpath_has_none(program: Path) -> None:
    patchelf("--remove-rpath", program)
    dynamic = read_dynamic(program)
    assert dynamic is not None
    assert dynamic.runpath == ()


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + b"\0" * 60, b"\x7fELF\x02\x01"])
def test_other_files_are_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_dynamic(tmp_path / "file") is None


@pytest.mark.parametrize("size", [64, 100, 600])
def test_a_cut_off_program_is_not_read(program: Path, size: int) -> None:
    program.write_bytes(program.read_bytes()[:size])
    assert read_dynamic(program) is None
