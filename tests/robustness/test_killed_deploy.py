"""A deployment whose run is killed at any moment goes on working, and the next run ends as if nothing had been."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import venvstacks
from fakes.counted_kills import chosen_moments
from fakes.pushed_stores import PushedStore, make_store
from fakes.small_stack import snapshot
from robustness.killed_deploy import run as repeat
from venvstacks.deploying.generations import current_number, read_current
from venvstacks.deploying.places import Home
from venvstacks.deploying.switching import check_complete
from venvstacks.options import Options

SCRIPT = Path(__file__).with_name("killed_deploy.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PushedStore:
    made = make_store(tmp_path_factory.mktemp("pushed") / "store")
    for version in ("1", "2", "3"):  # one application changes, another stays
        made.push(version, {"app-hello": version}, channels=())
    made.promote("1")
    return made


def run(step: str, store: PushedStore, deployment: Path, at: int = 0) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own."""
    return subprocess.run(
        [sys.executable, SCRIPT, step, store.address, store.root, deployment, str(at)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def state(deployment: Path) -> Mapping[str, tuple[str, int, bytes]]:
    """Return what a deployment's folder holds, whenever it was made."""
    found = {}
    for name, (kind, mode, content) in snapshot(deployment).items():
        if not name.startswith("trust/"):
            found[name] = (kind, mode, re.sub(rb'"created": \d+', b"", content))
    return found


def assert_works(deployment: Path, *releases: str) -> None:
    """Check that what is current is whole, and is one of some releases."""
    home = Home(deployment)
    generation = read_current(home)
    if generation is None:
        assert "" in releases
        return
    assert generation.release in releases
    check_complete(home, generation)
    for name, content in (("hello", generation.release), ("two", "1")):
        done = subprocess.run([home.programs / name], capture_output=True, text=True, check=True)
        assert done.stdout == f"app-{name} {content} -P -m hello\n"


def prepare(step: str, store: PushedStore, deployment: Path) -> tuple[str, ...]:
    """Make what a step changes; return the releases that may be current if it is killed."""
    if step == "deploy-first":
        store.promote("1")
        return ("", "1")
    for version in ("1", "2", "3"):
        if version == "3" and step == "deploy-update":
            store.promote("3")
            return ("2", "3")
        settings = {"root": store.root, "release": version, "keep": 9}
        venvstacks.deploy(store.address, to=deployment, **settings)  # type: ignore[arg-type]
    return ("2", "3") if step == "rollback" else ("3",)


@pytest.mark.parametrize("step", ["deploy-first", "deploy-update", "rollback", "prune"])
def test_run_after_a_kill_ends_as_an_undisturbed_one(tmp_path: Path, store: PushedStore, step: str) -> None:
    before = tmp_path / "before"
    before.mkdir()
    releases = prepare(step, store, before)
    shutil.copytree(before, tmp_path / "expected", symlinks=True)
    undisturbed = run(step, store, tmp_path / "expected")
    expected = state(tmp_path / "expected")
    count = int(undisturbed.stdout)
    assert count > 8

    def killed_at(moment: int) -> None:
        deployment = tmp_path / f"deployed-{moment}"
        shutil.copytree(before, deployment, symlinks=True)
        assert run(step, store, deployment, moment).returncode == -signal.SIGKILL
        assert_works(deployment, *releases)
        if step != "rollback" or current_number(Home(deployment)) != 2:  # going back again would go back further
            repeat(step, store.address, store.root, deployment, Options(jobs=1))
        else:
            venvstacks.rollback(deployment, generation=2)
        assert state(deployment) == expected
        shutil.rmtree(deployment)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(killed_at, chosen_moments(count)))
