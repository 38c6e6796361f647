"""What every provider of base Pythons promises, proven on the interpreter that runs the tests."""

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from fakes.pythons import Download, host, managed_runtimes, own_archive, own_python, start, tree, write_list
from venvstacks.binaries.identify import read_binary
from venvstacks.definition.stack import PythonRequest
from venvstacks.errors import RuntimeProviderError
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.providers import RuntimeProvider
from venvstacks.work import Work

Maker = Callable[[Path], RuntimeProvider]


def local(root: Path) -> RuntimeProvider:
    del root
    return LocalRuntimes({"PATH": os.environ["PATH"], "HOME": "/nowhere"}, Work())


def managed(root: Path) -> RuntimeProvider:
    archive = own_archive(root.parent)
    address = write_list(root / "list.json", [Download.of(archive, own_python().release)])
    return managed_runtimes(root, address)


@cache
def fetched(maker: Maker, root: Path) -> Path:
    """Fetch a runtime that no test changes, once a session."""
    base = root / maker.__name__
    maker(base).fetch(own_python(), host(), base / "runtime")
    return base / "runtime"


@pytest.fixture(params=[managed, local])
def maker(request: pytest.FixtureRequest) -> Maker:
    made: Maker = request.param
    return made


@pytest.fixture
def runtime(maker: Maker, root: Path) -> Path:
    return fetched(maker, root)


@pytest.fixture
def library(runtime: Path) -> Path:
    return runtime / "lib" / own_python().lib_name


def test_the_newest_release_is_exact(maker: Maker, tmp_path: Path) -> None:
    request = PythonRequest("cpython", own_python().minor)
    assert maker(tmp_path / "provider").newest(request, (host(),)) == own_python()


def test_a_release_that_is_not_there_is_named(maker: Maker, tmp_path: Path) -> None:
    provider = maker(tmp_path / "provider")
    with pytest.raises(RuntimeProviderError, match=r"cpython@3\.99"):
        provider.newest(PythonRequest("cpython", "3.99"), (host(),))
    with pytest.raises(RuntimeProviderError, match=r"cpython@3\.99\.1t"):
        provider.fetch(PythonVersion("cpython", "3.99.1", freethreaded=True), host(), tmp_path / "runtime")
    assert not (tmp_path / "runtime").exists()


def test_a_target_that_cannot_be_served_is_named(maker: Maker, tmp_path: Path) -> None:
    other = Compatibility(next(target for target in TARGETS.values() if target.os != host().target.os))
    with pytest.raises(RuntimeProviderError, match=other.target.name):
        maker(tmp_path / "provider").fetch(own_python(), other, tmp_path / "runtime")
    assert not (tmp_path / "runtime").exists()


def test_it_has_the_programs_of_a_layer_and_no_others(runtime: Path) -> None:
    minor = f"python{own_python().minor}"
    assert {path.name for path in (runtime / "bin").iterdir()} == {"python", "python3", minor}
    assert not (runtime / "bin" / minor).is_symlink()
    assert {(runtime / "bin" / name).readlink() for name in ("python", "python3")} == {Path(minor)}


def test_nothing_is_there_that_is_no_part_of_a_runtime(runtime: Path, library: Path) -> None:
    assert not list((library / "site-packages").iterdir())
    names = {path.name for path in runtime.rglob("*")}
    assert not names & {"pip", "pip3", "EXTERNALLY-MANAGED", "BUILD", "__pycache__", "sitecustomize.py"}
    assert not (library / "test").exists()
    assert not [path for path in runtime.iterdir() if path.name.startswith(".")]


def test_links_lead_to_something_inside(runtime: Path) -> None:
    links = [path for path in runtime.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not link.readlink().is_absolute()
        assert link.resolve(strict=True).is_relative_to(runtime.resolve())


def test_programs_and_libraries_look_beside_themselves_only(runtime: Path) -> None:
    entries = {
        (path, entry)
        for path in runtime.rglob("*")
        if path.is_file() and not path.is_symlink()
        for image in read_binary(path)
        for entry in image.linkage.search
    }
    assert not [(path, entry) for path, entry in entries if entry.startswith(sys.base_prefix)]
    shared = list((runtime / "lib").glob("libpython*.so.*"))
    assert not shared or (runtime / "bin" / f"python{own_python().minor}", "$ORIGIN/../lib") in entries


def test_build_information_has_no_paths_of_this_machine(runtime: Path, root: Path) -> None:
    data = [
        path for path in runtime.rglob("*") if path.suffix in {".py", ".pc", ".json"} or path.name == "Makefile"
    ]
    assert any(path.name.startswith("_sysconfigdata") for path in data)
    for path in data:
        content = path.read_bytes()
        assert os.fsencode(root) not in content, path
        assert sys.base_prefix == "/usr" or os.fsencode(f"{sys.base_prefix}/") not in content, path


def test_its_program_runs_where_it_is(maker: Maker, tmp_path: Path) -> None:
    program = maker(tmp_path / "provider").program(own_python())
    before = tree(tmp_path)
    assert (
        start(program, "-B", "-S", "-c", "import platform; print(platform.python_version())")
        == own_python().release
    )
    assert tree(tmp_path) == before
    with pytest.raises(RuntimeProviderError, match=r"cpython@3\.99\.1"):
        maker(tmp_path / "provider").program(PythonVersion("cpython", "3.99.1"))


def test_two_fetches_give_the_same_bytes(maker: Maker, runtime: Path, tmp_path: Path) -> None:
    again = tmp_path / "a much longer path" / "with spaces"
    maker(again).fetch(own_python(), host(), again / "runtime")
    assert tree(again / "runtime") == tree(runtime)


def test_the_umask_makes_no_difference(maker: Maker, runtime: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        maker(tmp_path / "other").fetch(own_python(), host(), tmp_path / "other" / "runtime")
    finally:
        os.umask(before)
    assert tree(tmp_path / "other" / "runtime") == tree(runtime)


def test_it_works_after_it_was_moved(maker: Maker, tmp_path: Path) -> None:
    maker(tmp_path / "first").fetch(own_python(), host(), tmp_path / "first" / "runtime")
    moved = tmp_path / "second place" / "🐸"
    moved.parent.mkdir()
    (tmp_path / "first" / "runtime").rename(moved)
    site = moved / "lib" / own_python().lib_name / "site-packages"
    (site / "package.py").write_text("")
    code = "import sys, json, ssl, sqlite3, ctypes, lzma, package; print(json.dumps([sys.prefix, sys.executable]))"
    assert json.loads(start(moved / "bin" / "python", "-c", code)) == [str(moved), str(moved / "bin" / "python")]
    maps = "print([line for line in open('/proc/self/maps') if 'libpython' in line])"
    assert f"{sys.base_prefix}/" not in start(moved / "bin" / "python", "-c", maps)
    environment = tmp_path / "environment"
    start(moved / "bin" / "python", "-m", "venv", "--without-pip", str(environment))
    base = start(environment / "bin" / "python", "-c", "import sys; print(sys.base_prefix)")
    assert base == str(moved)
