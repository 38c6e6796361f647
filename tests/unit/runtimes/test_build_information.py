"""Build information names the place where a runtime stands."""

import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from venvstacks.runtimes.build_information import move_build_information

VALUES = {
    "prefix": "/old/py",
    "LIBDIR": "/old/py/lib",
    "LDSHARED": "gcc -L/old/py/lib -Wl,-rpath,/old/py/lib",
    "CONFIG_ARGS": "'--prefix=/old/py' '-I/old/py/include'",
    "OTHER": "/old/pypy /very/old/py /old/py-more",
    "INSTALL": "/usr/bin/install -c",
    "EMPTY": "",
    "ENABLE": 1,
}


def moved(folder: Path, values: object, *prefixes: str) -> dict[str, Any]:
    """Write values as CPython does, move them, and read them as Python does."""
    data = folder / "lib" / "python3.12" / "_sysconfigdata__linux.py"
    data.parent.mkdir(parents=True)
    data.write_text(f"# generated\nbuild_time_vars = {values!r}\n")
    move_build_information(folder, prefixes)
    read: dict[str, Any] = runpy.run_path(str(data))["build_time_vars"]
    return read


@pytest.mark.parametrize("prefix", ["/old/py", "/install"])
def test_values_follow_the_file(tmp_path: Path, prefix: str) -> None:
    values = {name: v.replace("/old/py", prefix) if isinstance(v, str) else v for name, v in VALUES.items()}
    here = str(tmp_path)
    assert moved(tmp_path, values, "/old/py", "/install") == {
        **values,
        "prefix": here,
        "LIBDIR": f"{here}/lib",
        "LDSHARED": f"gcc -L{here}/lib -Wl,-rpath,{here}/lib",
        "CONFIG_ARGS": f"'--prefix={here}' '-I{here}/include'",
        "INSTALL": "/usr/bin/install -c",
    }


def test_the_bytes_are_the_same_wherever_it_stands(tmp_path: Path) -> None:
    for name in ("one", "another"):
        moved(tmp_path / name, {"prefix": f"/{name}/py", "LIBDIR": f"/{name}/py/lib"}, f"/{name}/py")
    one, another = (path.read_bytes() for path in sorted(tmp_path.rglob("_sysconfigdata*")))
    assert one == another


def test_of_the_systems_python_only_folders_move(tmp_path: Path) -> None:
    values = {
        "prefix": "/usr",
        "LIBDIR": "/usr/lib/x86_64-linux-gnu",
        "INCLUDEPY": "/usr/include/python3.11",
        "DESTDIRS": "/usr /usr/lib/x86_64-linux-gnu/python3.11",
        "INSTALL": "/usr/bin/install -c",
        "TZPATH": "/usr/share/zoneinfo",
        "MULTIARCH": "x86_64-linux-gnu",
    }
    assert moved(tmp_path, values, "/usr") == {
        **values,
        "prefix": str(tmp_path),
        "LIBDIR": f"{tmp_path}/lib",
        "INCLUDEPY": f"{tmp_path}/include/python3.11",
        "DESTDIRS": f"{tmp_path} {tmp_path}/lib/python3.11",
    }


def test_what_is_no_plain_table_is_made_neutral(tmp_path: Path) -> None:
    data = tmp_path / "lib" / "python3.12" / "_sysconfigdata__linux.py"
    data.parent.mkdir(parents=True)
    data.write_text("build_time_vars = dict(prefix='/old/py', flags='-L/old/py/lib')\n")
    (module := data.with_name("module.py")).write_text("'/old/py'")
    move_build_information(tmp_path, ["/old/py", "/old"])
    assert data.read_text() == "build_time_vars = dict(prefix='/install', flags='-L/install/lib')\n"
    assert module.read_text() == "'/old/py'"


def test_make_and_pkg_config_follow_their_files(tmp_path: Path) -> None:
    make = tmp_path / "lib" / "python3.12" / "config-3.12" / "Makefile"
    package = tmp_path / "lib" / "pkgconfig" / "python.pc"
    for path, text in (
        (make, "prefix=\t\t/old/py\nLIBS=\t-L/old/py/lib\nshow:\n\t@echo $(prefix) $(LIBS)\n"),
        (package, "prefix=/old/py\nlibdir=/old/py/lib\nincludedir=${prefix}/include\n"),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (package.parent / "python3.pc").symlink_to(package.name)
    move_build_information(tmp_path, ["/old/py"])
    assert package.read_text() == "prefix=${pcfiledir}/../..\nlibdir=${prefix}/lib\nincludedir=${prefix}/include\n"
    assert (package.parent / "python3.pc").is_symlink()
    done = subprocess.run(["make", "-f", make, "show"], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path} -L{tmp_path}/lib\n"
