"""Layers that hold their modules compiled."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import venvstacks
from fakes.building import SITE, Project, application, framework, link_tree, output, own_runtime, runtime
from fakes.foreign_pythons import foreign_python, list_of_all
from fakes.pythons import host, own_python, tree, write_list
from venvstacks.definition.stack import PythonRequest
from venvstacks.errors import BuildError
from venvstacks.payload import compile_bytecode
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS
from venvstacks.runtimes.interpreters import find_interpreters
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.work import Work

TAG = sys.implementation.cache_tag
MINOR = own_python().minor
MINORS = ("3.11", "3.12", "3.13")
LAYERS = ("base", "framework-one", "app-tool")
OTHER = next(target for target in TARGETS.values() if target.os != host().target.os)
# Compiling all of a standard library takes its time: what these modules import is enough here.
IMPORTED = (
    "argparse, compileall, concurrent.futures, encodings.idna, hashlib, json, locale, runpy, tempfile, typing"
)


@cache
def lean_runtime(root: Path) -> Path:
    """Make a runtime with little in its standard library, once a session; nobody changes it."""
    folder = root / "lean-runtime"
    link_tree(own_runtime(root), folder)
    code = (
        f"import sys, {IMPORTED}; print(*(m.__file__ for m in [*sys.modules.values()] if hasattr(m, '__file__')))"
    )
    needed = {
        Path(name).relative_to(folder) for name in output(folder / "bin" / "python", "-B", "-c", code).split()
    }
    for path in [*(folder / "lib").rglob("*.py")]:
        if path.relative_to(folder) not in needed:
            path.unlink()
    return folder


@contextmanager
def lean_runtimes(root: Path) -> Iterator[None]:
    source = lean_runtime(root)

    def fetch(self: LocalRuntimes, python: PythonVersion, on: Compatibility, folder: Path) -> None:
        del self, python, on
        link_tree(source, folder)

    with patch.object(LocalRuntimes, "fetch", fetch):
        yield


def build(project: Project, **options: Any) -> list[str]:
    """Build, and give the names of the layers that were made."""
    with lean_runtimes(project.root):
        project.build(quick=False, **options)
    return project.changed()


def define(project: Project) -> None:
    project.wheel(
        "alpha",
        files={
            "alpha/__init__.py": "import json\nNAME = 'shipped'\nwhere = lambda: where.__code__.co_filename\n",
            "alpha/template.py": "{{ no Python }} = 1\n",
            "alpha/__pycache__/stray.cpython-311.pyc": "stray",
            "single.py": "",
        },
        data={"scripts/tool": "#!python\nimport alpha\nprint(alpha.NAME)\n"},
    )
    project.write("tool.py", "import alpha, single, sys\nprint(alpha.NAME, *sys.argv[1:])\n")
    project.define(runtime(), framework("one", "alpha"), application("tool", on=["one"]))


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "a project", root, bytecode="ship")


@cache
def exported_once(root: Path) -> Path:
    project = Project(root / "bytecode" / "a project", root, bytecode="ship")
    define(project)
    assert build(project) == sorted(LAYERS)
    venvstacks.export(project.stack(), options=project.options())
    return project.folder / "_export"


@pytest.fixture
def shipped(root: Path, tmp_path: Path) -> Path:
    """Return an exported stack that a test may change."""
    return Path(shutil.copytree(exported_once(root), tmp_path / "another place", symlinks=True))


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.name not in {"postinstall.py", "template.py"})


def test_everything_that_compiles_is_there(shipped: Path) -> None:
    bytecode = set(shipped.rglob("*.pyc"))
    expected = {Path(importlib.util.cache_from_source(str(path), optimization="")) for path in sources(shipped)}
    assert bytecode == expected
    names = {path.name.partition(".")[0] for path in bytecode}
    assert {"os", "alpha", "single", "_venvstacks_activate", "tool"} <= {*names, "alpha"}
    for path in bytecode:
        content = path.read_bytes()
        assert content[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(content[4:8], "little") == 0b01, "hash-based, and never checked"
        assert not any(part in content for part in (b"a project", b"venvstacks-tmp", b"pytest"))


def test_records_name_the_bytecode_of_packages(shipped: Path) -> None:
    site = shipped / "framework-one" / SITE
    distribution = PathDistribution(site / "alpha-1.dist-info")
    files = {str(file): file for file in distribution.files or ()}
    bytecode = {name for name in files if name.endswith(".pyc")}
    assert bytecode == {f"alpha/__pycache__/__init__.{TAG}.pyc", f"__pycache__/single.{TAG}.pyc"}
    for name in bytecode:
        recorded = files[name].hash
        assert recorded is not None
        assert recorded.mode == "sha256"
        assert files[name].size == (site / name).stat().st_size


def test_a_start_writes_nothing_even_if_it_may(shipped: Path) -> None:
    before = tree(shipped)
    python = shipped / "app-tool" / "bin" / "python"
    assert output(python, "-P", "-m", "tool", "x") == "shipped x"
    assert output(shipped / "framework-one" / "bin" / "tool") == "shipped"
    for layer in LAYERS:
        assert output(shipped / "base" / "bin" / "python", shipped / layer / "postinstall.py") == ""
    assert tree(shipped) == before


def test_what_was_shipped_is_what_is_imported(shipped: Path) -> None:
    module = shipped / "framework-one" / SITE / "alpha" / "__init__.py"
    module.write_text("NAME = 'edited'\n")
    python = shipped / "app-tool" / "bin" / "python"
    assert output(python, "-B", "-c", "import alpha; print(alpha.NAME, alpha.where())") == f"shipped {module}"
    (module.parent / "__pycache__" / f"__init__.{TAG}.pyc").unlink()
    assert output(python, "-B", "-c", "import alpha; print(alpha.NAME)") == "edited"


def test_what_python_writes_beside_it_is_nobodys_loss(project: Project) -> None:
    define(project)
    build(project)
    python = project.built / "app-tool" / "bin" / "python"
    assert output(python, "-O", "-m", "tool") == "shipped"
    assert list(project.built.rglob("*.opt-1.pyc"))
    assert build(project) == []
    layer = project.site("framework-one")
    stack = project.stack()
    for damage in (
        (layer / "__pycache__" / f"single.{TAG}.pyc").unlink,
        lambda: shutil.rmtree(layer / "alpha" / "__pycache__"),
        lambda: subprocess.run([python, "-m", "compileall", "-q", "-f", layer / "single.py"], check=True),
    ):
        damage()
        with pytest.raises(BuildError, match=r"some of its files are gone|its bytecode was changed"):
            venvstacks.export(stack, include=["framework-one"], options=project.options())
        assert build(project) == ["framework-one"]
        assert build(project) == []


def test_archives_are_the_same_from_any_folder_and_any_number_of_processes(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = []
    for name, jobs in (("first", 1), ("second and far longer", 3)):
        project = Project(tmp_path / name, root, bytecode="ship")
        project.settings = {"exclude-newer": "2030-01-01T00:00:00Z"}  # the time of all entries
        define(project)
        monkeypatch.setenv("PYTHONHASHSEED", str(jobs))
        build(project, jobs=jobs)
        (result,) = venvstacks.publish(project.stack(), options=project.options())
        hashes.append({archive.layer: archive.manifest.archive_hashes for archive in result.layers})
    assert list(hashes[0]) == list(LAYERS)
    assert hashes[0] == hashes[1]


def test_changing_ones_mind(project: Project) -> None:
    project.bytecode = None
    define(project)
    build(project)
    plain = tree(project.built / "framework-one")
    assert venvstacks.publish(project.stack(), options=project.options())[0].layers[1].created

    project.bytecode = "ship"
    plan = venvstacks.plan_building(project.stack(), options=project.options())
    assert [*plan.reasons.values()] == ["it was built with bytecode = 'none'"] * 3
    for use in (venvstacks.publish, venvstacks.export):
        with pytest.raises(BuildError, match="cannot be used: it was built with bytecode = 'none'") as caught:
            use(project.stack(), options=project.options())
        assert caught.value.hint == (
            "use the --bytecode value that the layer was built with, or run `venvstacks build` first"
        )
    assert build(project) == sorted(LAYERS)
    configuration = json.loads((project.built / "base/share/venv/metadata/venvstacks_layer.json").read_text())
    assert configuration["bytecode"] == "ship"
    (result,) = venvstacks.publish(project.stack(), options=project.options())
    assert [archive.manifest.archive_build for archive in result.layers] == [2, 2, 2]

    project.bytecode = "none"
    assert build(project) == sorted(LAYERS)
    again = tree(project.built / "framework-one")
    del plain[".venvstacks-build.json"], again[".venvstacks-build.json"]  # holds modification times
    assert again == plain


def foreign(project: Project, release: str = "", *targets: str) -> venvstacks.Stack:
    """Define and lock a stack on managed Pythons; with a release, on a stub of it for a foreign target."""
    project.policy = "never"
    downloads = project.folder / "pythons"
    address = list_of_all(downloads, project.root)
    if release:
        address = write_list(downloads / "stub.json", [foreign_python(downloads, OTHER, release)])
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = address
    project.wheel("alpha", files={"alpha/__init__.py": "TEXTS = ('é', 'a b', {1: 1.5})\n", "alpha/part.py": ""})
    limits = {"linux_target": "glibc@2.40", **({"platforms": [*targets]} if targets else {})}
    project.define(runtime("base", version=release, **limits), application("tool", "alpha", on="base", **limits))
    project.lock()
    return project.stack()


def test_bytecode_for_other_platforms_is_made_here_and_is_the_same(project: Project) -> None:
    """This machine's own layers are compiled by their runtime, the others by one that is kept for that."""
    stack = foreign(project)
    project.environ["PATH"] = "/nowhere"
    built = venvstacks.build(stack, platforms=["all"], options=project.options())
    assert project.warnings() == []
    found: dict[str, dict[str, bytes]] = {}
    for layer in built:
        if layer.layer.build_name == "app-tool":
            site = "Lib/site-packages" if layer.target.is_windows else SITE
            paths = [entry.path for entry in layer.entries if entry.path.endswith(".pyc")]
            read = {path.removeprefix(f"{site}/"): (layer.folder / path).read_bytes() for path in paths}
            found[layer.target.name] = {
                name: content for name, content in read.items() if not name.startswith("__pycache__/_venvstacks")
            }
    alike = {f"alpha/__pycache__/{name}.{TAG}.pyc" for name in ("__init__", "part")}
    assert set(found[host().target.name]) == {*alike, f"__pycache__/tool.{TAG}.pyc"}
    assert set(found) == set(TARGETS)
    assert all(each == found[host().target.name] for each in found.values())
    windows = next(layer for layer in built if layer.key == ("win_amd64", "base"))
    assert f"Lib/__pycache__/os.{TAG}.pyc" in {entry.path for entry in windows.entries}


def test_another_release_of_the_minor_version_compiles_with_a_warning(project: Project) -> None:
    stack = foreign(project, f"{MINOR}.99", OTHER.name)
    built = venvstacks.build(stack, platforms=[OTHER.name], options=project.options())
    assert any(entry.path.endswith(f"tool.{TAG}.pyc") for entry in built[-1].entries)
    (warning,) = project.warnings()
    assert warning.startswith(f"Bytecode for cpython@{MINOR}.99 is compiled by cpython@{MINOR}.")


def test_where_nothing_compiles_the_error_says_so_and_nothing_is_left(project: Project) -> None:
    stack = foreign(project, "3.99.1", OTHER.name)
    with pytest.raises(BuildError) as caught:
        venvstacks.build(stack, platforms=[OTHER.name], options=project.options())
    assert caught.value.message.startswith("Modules of ")
    assert (
        f"for {OTHER.name} cannot be compiled. Bytecode for cpython@3.99.1 cannot be compiled"
        in caught.value.message
    )
    assert "uv python install cpython@3.99.1" in (caught.value.hint or "")
    assert not list((project.built / OTHER.name).iterdir())
    project.bytecode = "none"
    venvstacks.build(project.stack(), platforms=[OTHER.name], options=project.options())


def test_a_compiler_that_fails_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    define(project)
    text = "import sys\nprint('Traceback ...', file=sys.stderr)\nsys.exit('ValueError: no such thing')\n"
    monkeypatch.setattr("venvstacks.building.bytecode.payload", lambda _: text)
    with pytest.raises(BuildError) as caught:
        build(project)
    assert caught.value.message == (
        f"Modules of runtime 'base' for {host().target.name} cannot be compiled with "
        f"{own_python().request}: ValueError: no such thing"
    )
    assert caught.value.hint == "build without bytecode (--bytecode none)"
    assert not [path.name for path in project.built.iterdir() if path.name != ".venvstacks"]


@pytest.mark.parametrize("minor", MINORS)
def test_every_python_writes_the_same_bytes_again(tmp_path: Path, minor: str) -> None:
    """Other modules in memory, other seeds, another order, another process for each part."""
    found = find_interpreters(PythonRequest("cpython", minor), os.environ, Work())
    assert found, f"this test needs CPython {minor}: pyenv install {minor}"
    library = Path(found[0].stdlib)
    modules = [*library.glob("[d-i]*.py"), *library.glob("asyncio/*.py")]
    names = sorted(path.relative_to(library).as_posix() for path in modules)
    results = []
    for number, flags in enumerate((("-I", "-S"), ("-P", "-c", LOADED))):
        place = tmp_path / str(number)
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(library / name)
        for part in (names[::-1],) if number else (names[::2], names[1::2]):
            job = tmp_path / "job.json"
            job.write_text(json.dumps({"root": str(place), "modules": [(name, name) for name in part]}))
            subprocess.run(
                [found[0].executable, *flags, compile_bytecode.__file__, job],
                env={"PYTHONHASHSEED": str(number + 1)},
                stdout=subprocess.DEVNULL,
                check=True,
            )
        results.append({path.relative_to(place): path.read_bytes() for path in place.rglob("*.pyc")})
    assert len(results[0]) == len(names) > 50
    assert [name for name in results[0] if results[0][name] != results[1][name]] == []


LOADED = """
import asyncio, ctypes, decimal, email.policy, logging.config, runpy, sqlite3, sys, unittest, xml.dom.minidom
kept = [sys.intern(chr(number)) for number in range(256)]
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
