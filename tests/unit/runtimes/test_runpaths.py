import shutil
import subprocess
from pathlib import Path

import pytest

from fakes import native_files as native
from fakes.pythons import patchelf
from venvstacks.binaries.identify import read_binary
from venvstacks.errors import RuntimeProviderError
from venvstacks.runtimes.runpaths import make_runpaths_relative

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


def make_relative(runtime: Path) -> None:
    make_runpaths_relative(runtime, Path("/old/lib") / LIBRARY, title="The copy", hint="use another")


def runpath(path: Path) -> tuple[str, ...]:
    (image,) = read_binary(path)
    return image.linkage.search


def test_paths_to_the_old_folder_become_relative(runtime: Path) -> None:
    module = runtime / "lib" / "python3" / "lib-dynload" / "_ssl.so"
    patchelf("--set-rpath", "/old/lib:/opt/openssl", module)
    patchelf("--set-rpath", "/old/lib", runtime / "bin" / "python")
    make_relative(runtime)
    assert runpath(module) == ("$ORIGIN/../..", "/opt/openssl")
    assert runpath(runtime / "bin" / "python") == ("$ORIGIN/../lib",)


def test_a_program_that_found_its_library_through_the_machine_gets_a_path(runtime: Path) -> None:
    patchelf("--remove-rpath", runtime / "bin" / "python")
    make_relative(runtime)
    assert runpath(runtime / "bin" / "python") == ("$ORIGIN/../lib",)
    assert runpath(runtime / "lib" / "python3" / "lib-dynload" / "_ssl.so") == ()


def test_what_is_relative_already_is_left_alone(runtime: Path) -> None:
    patchelf("--set-rpath", "$ORIGIN/../lib", runtime / "bin" / "python")
    before = (runtime / "bin" / "python").stat()
    make_relative(runtime)
    assert (runtime / "bin" / "python").stat() == before


def test_an_rpath_stays_one_and_programs_stay_programs(runtime: Path) -> None:
    program = runtime / "bin" / "python"
    patchelf("--remove-needed", LIBRARY, program)
    patchelf("--force-rpath", "--set-rpath", "/old/lib:/opt/openssl", program)
    make_relative(runtime)
    (image,) = read_binary(program)
    assert (image.linkage.search, image.linkage.passes_search) == (("$ORIGIN/../lib", "/opt/openssl"), True)
    assert (
        subprocess.run([program, runtime / "bin"], capture_output=True, check=True).stdout == b"python\nscript\n"
    )


def test_a_file_that_cannot_be_changed_is_named(runtime: Path) -> None:
    (runtime / "bin" / "python32").write_bytes(native.elf("i686", bits=32, needed=[LIBRARY]))
    with pytest.raises(
        RuntimeProviderError, match=r"The copy cannot be .*: where bin/python32 looks .* 64-bit"
    ) as e:
        make_relative(runtime)
    assert e.value.hint == "use another"
    assert [path.name for path in (runtime / "bin").iterdir() if path.name.startswith(".")] == []
