"""Applications with real interpreters and shared libraries run from deployments, whatever happens there."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import venvstacks
from fakes.building import Project, application, environment, framework, runtime
from fakes.c_wheels import Compiler, library_wheel
from fakes.pythons import host
from venvstacks.deploying.leases import is_leased
from venvstacks.deploying.places import Home

APP = """
import json, multiprocessing, os, shutil, subprocess, sys
import inside
from fast import fast

def square(number):
    return number * number, sys.prefix

if __name__ == "__main__":
    if "wait" in sys.argv:
        print("ready", flush=True)
        sys.stdin.readline()
    import late  # after whatever has happened meanwhile
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        squares = pool.map(square, [3])
    code = "import inside, late, sys; print(inside.version, late.version, sys.prefix)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    print(json.dumps({
        "versions": [inside.version, late.version], "native": fast.value(), "prefix": sys.prefix,
        "base": sys.base_prefix, "file": late.__file__, "squares": squares, "child": child.stdout.split(),
        "arguments": sys.argv[1:], "tool": shutil.which("tool"), "errors": child.stderr,
    }))
"""
HERE = [host().target.name]
NOBODY = 65534


@cache
def publications(root: Path) -> tuple[Path, ...]:
    """Publish three releases: of the framework and the applications another one each time, but for the last."""
    project = Project(root / "deployed stack" / "a project", root)
    compiler = Compiler(root / "deployed stack" / "cc")
    wheels = project.folder / "wheels"
    library_wheel(wheels, "one", {"lib/libone.so.1": compiler.library("one", 1)})
    library_wheel(wheels, "fast", {"fast.so": compiler.extension("fast", 100, ["one"])})
    project.write("one.py", APP)
    project.write("two.py", "import inside; print(inside.version)")
    outputs = []
    for version in ("1", "2", "3"):
        files = {"inside/__init__.py": f"version = {version!r}\n", "late.py": f"version = {version!r}\n"}
        project.wheel("inside", version, files=files, data={"scripts/tool": "#!/bin/sh\n"})
        project.define(
            runtime("base", platforms=HERE),
            framework("f", "one", f"inside=={version}", platforms=HERE),
            application("one", "fast", on=["f"], platforms=HERE),
            application("two", on=["f"], platforms=HERE),
        )
        project.build()
        output = project.folder / f"_release-{version}"
        venvstacks.publish(project.stack(), output=output, options=project.options())
        outputs.append(output)
    return tuple(outputs)


@pytest.fixture
def releases(root: Path) -> tuple[Path, ...]:
    return publications(root)


@pytest.fixture
def folder(tmp_path: Path, releases: tuple[Path, ...]) -> Path:
    """Return a deployment of the first release."""
    place = tmp_path / "a 'deployment' ü"
    venvstacks.deploy(releases[0], to=place, keep=1)
    return place


def update(folder: Path, release: Path) -> venvstacks.Deployed:
    return venvstacks.deploy(release, to=folder, product=".")


def start(*argv: str | Path, **settings: Any) -> dict[str, Any]:
    done = subprocess.run(
        argv, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False, **settings
    )
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check(told: dict[str, Any], folder: Path, version: str, *arguments: str) -> None:
    """Check that an application and all that it started ran from one generation alone."""
    assert told["versions"] == [version, version]
    assert told["native"] == 101
    assert told["prefix"].startswith(f"{folder}/layers/")
    assert told["base"].startswith(f"{folder}/layers/")
    assert told["squares"] == [[9, told["prefix"]]]
    assert told["child"] == [version, version, *told["prefix"].split()]
    assert told["arguments"] == list(arguments)
    assert told["tool"].startswith(f"{folder}/layers/")
    assert told["errors"] == ""


def test_an_application_and_what_it_starts(folder: Path) -> None:
    check(start(folder / "bin" / "one", "a  b", ""), folder, "1", "a  b", "")
    assert subprocess.run([folder / "bin" / "two"], capture_output=True, text=True, check=True).stdout == "1\n"


def test_through_run(folder: Path) -> None:
    run: list[str | Path] = [sys.executable, "-m", "venvstacks", "run", "--from", folder]
    check(start(*run, "one", "--help"), folder, "1", "--help")
    check(start(*run[:-1], ".", "app-one", cwd=folder), folder, "1")
    done = subprocess.run([*run, "three"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"error: There is no application 'three' in generation 1 of {folder}: it has one, two.\n",
    )


def inodes(folder: Path) -> set[tuple[Path, int]]:
    return {(path, path.stat().st_ino) for path in (folder / "layers").glob("*/base/bin/python*")}


def test_each_layer_is_there_once(folder: Path, releases: tuple[Path, ...]) -> None:
    names = [path.name for path in (folder / "layers").glob("*/*") if path.is_dir() and not path.is_symlink()]
    assert sorted(name for name in names if name != ".layer") == ["app-one", "app-two", "base", "framework-f"]
    before = {path: path.stat().st_ino for path in (folder / "layers").glob("*/base/bin/python*")}
    update(folder, releases[1])
    assert {
        path: path.stat().st_ino for path in (folder / "layers").glob("*/base/bin/python*")
    }.items() >= before.items()


@contextmanager
def waiting(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start an application that waits for a line, and goes on after it."""
    with subprocess.Popen(
        [folder / "bin" / "one", "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_running_application_keeps_its_files(folder: Path, releases: tuple[Path, ...]) -> None:
    home = Home(folder)
    with waiting(folder) as process:
        own = next((folder / "layers").glob("*/app-one"))
        place = home.place_of(own.parent.name, "app-one")
        assert is_leased(place)
        assert update(folder, releases[1]).changed
        done = update(folder, releases[2])
        assert done.pruned is not None
        assert done.pruned.generations == (("", 1),)
        assert place.id in done.pruned.in_use
        assert venvstacks.deployment_status(folder).in_use
        venvstacks.rollback(folder)
        venvstacks.prune_deployment(folder)
        stdout, stderr = process.communicate("\n")
        assert stderr == ""
        check(json.loads(stdout), folder, "1", "wait")
    assert not is_leased(place)
    removed = venvstacks.prune_deployment(folder)
    assert place.id in removed.layers
    assert not removed.in_use
    assert venvstacks.deployment_status(folder).in_use == ()
    check(start(folder / "bin" / "one"), folder, "2")


def test_a_killed_application_gives_its_lease_back(folder: Path) -> None:
    place = Home(folder).place_of(next((folder / "layers").glob("*/app-one")).parent.name, "app-one")
    with waiting(folder) as process:
        assert is_leased(place)
        process.kill()
        process.wait()
        assert not is_leased(place)


def test_an_update_and_back(folder: Path, releases: tuple[Path, ...]) -> None:
    done = update(folder, releases[1])
    assert (done.generation, done.changed) == (2, True)
    check(start(folder / "bin" / "one"), folder, "2")
    check(start(folder / "generations" / "1" / "bin" / "one"), folder, "1")
    assert venvstacks.rollback(folder).generation == 1
    check(start(folder / "bin" / "one"), folder, "1")


def test_moved_copied_and_through_a_link(folder: Path, tmp_path: Path, releases: tuple[Path, ...]) -> None:
    shutil.copytree(folder, tmp_path / "copied", symlinks=True)
    moved = folder.rename(tmp_path / "moved & renamed")
    (tmp_path / "link").symlink_to(moved)
    (tmp_path / "program").symlink_to(moved / "bin" / "one")
    for place in (moved, tmp_path / "copied", tmp_path / "link"):
        check(start(place / "bin" / "one"), place, "1")
    check(start(tmp_path / "program"), moved, "1")
    check(start("bin/one", cwd=moved), moved, "1")
    for place in (moved, tmp_path / "copied"):
        assert update(place, releases[1]).changed
        check(start(place / "bin" / "one"), place, "2")


def test_another_products_applications(folder: Path, releases: tuple[Path, ...]) -> None:
    done = venvstacks.deploy(releases[1], to=folder, applications=["one"])
    assert done.folder.parent.name == "products"
    check(start(done.programs["one"]), folder, "2")
    check(start(folder / "bin" / "one"), folder, "1")  # the first product has that name


def test_two_deployments_at_once(tmp_path: Path, releases: tuple[Path, ...]) -> None:
    folder = tmp_path / "deployed"
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "venvstacks", "deploy", releases[0], "--to", folder],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = [process.communicate() for process in runs]
    assert [process.returncode for process in runs] == [0, 0, 0], told
    assert sum("nothing to do" in stdout for stdout, _ in told) == 2
    check(start(folder / "bin" / "one"), folder, "1")
    assert os.listdir(folder / "generations") == ["1"]  # noqa: PTH208 - there is nothing else


@pytest.fixture
def foreign() -> Iterator[Path]:
    """Return a folder that other users may look into."""
    with tempfile.TemporaryDirectory(prefix="venvstacks-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def somebody_else(folder: Path) -> Iterator[int | None]:
    """Let this process be somebody who may not change a folder; yield that user if it is not this one."""
    if os.geteuid() == 0:  # who may change everything
        os.seteuid(NOBODY)
        try:
            yield NOBODY
        finally:
            os.seteuid(0)
        return
    folders = [path for path in (folder, *folder.rglob("*")) if path.is_dir() and not path.is_symlink()]
    for path in folders:
        path.chmod(0o555)
    try:
        yield None
    finally:
        for path in folders:
            path.chmod(0o755)


def test_a_deployment_of_somebody_else(foreign: Path, releases: tuple[Path, ...]) -> None:
    """Whoever may not change it starts applications, and is told why there is no update."""
    folder = foreign / "deployed"
    calls: list[Callable[[], object]] = [
        lambda: venvstacks.deploy(releases[0], to=folder),
        lambda: venvstacks.deploy(releases[1], to=folder, product="."),
        lambda: venvstacks.rollback(folder),
        lambda: venvstacks.prune_deployment(folder),
    ]
    for call in calls:
        call()
    with somebody_else(folder) as user:
        for call in calls:
            with pytest.raises(venvstacks.DeploymentError, match="cannot be changed: Permission denied") as caught:
                call()
            assert f"who owns {folder}" in str(caught.value.hint)
        assert len(venvstacks.deployment_status(folder).products) == 1
    # whoever is nobody cannot look into the folder of the tests, but an application needs nothing from there
    told = subprocess.run(
        [folder / "bin" / "one"], env={}, cwd="/", capture_output=True, text=True, check=True, user=user
    )
    check(json.loads(told.stdout), folder, "1")
    with somebody_else(folder):
        place = Home(folder).place_of(next((folder / "layers").glob("*/app-one")).parent.name, "app-one")
        assert is_leased(place)  # it may be
