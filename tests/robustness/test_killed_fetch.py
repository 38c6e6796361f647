"""Layers that have their places are whole, whenever a run is killed; the next ends as if nothing had been."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.counted_kills import chosen_moments
from fakes.deltas import NEW, OLD, full_facts, noise
from fakes.deployed_trees import deployed_difference
from fakes.releases import Publisher, provide, publisher
from venvstacks.archives.index import decode_index
from venvstacks.archives.pool import frame_pool
from venvstacks.deploying.inventory import read_inventory
from venvstacks.deploying.places import Home
from venvstacks.releases.release_format import ReleaseLayer
from venvstacks.work import Work

SCRIPT = Path(__file__).with_name("killed_fetch.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture
def made(tmp_path: Path) -> Publisher:
    return publisher(tmp_path / "made")


def publish(made: Publisher) -> dict[str, list[ReleaseLayer]]:
    """Publish releases that are reached in all ways."""
    runtime = made.layer("runtime", {"!bin/python": noise(9000, seed=31)})
    newer = made.layer("runtime", {"!bin/python": noise(9000, seed=31), "lib/more": noise(9000, seed=32)})
    old = made.layer("app-a", OLD, [runtime])
    new = made.layer("app-a", NEW, [newer], delta_from=old)
    releases = {
        "first": [runtime, old],
        "delta and frames": [newer, new],
        "copy and frames": [newer, made.layer("app-a", OLD, [newer])],
    }
    (made.folder / "published").write_bytes(pickle.dumps((made.store.contents, releases)))
    return releases


def run(made: Publisher, root: Path, release: str, at: int = 0) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own."""
    return subprocess.run(
        [sys.executable, SCRIPT, made.folder, root, release, str(at)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def assert_whole(home: Home) -> None:
    """Check that what has its place is what was published, with what it needs."""
    for present in read_inventory(home).layers:
        if present.placed:
            index = decode_index(present.place.index.read_bytes(), "it")
            with frame_pool(Work(jobs=1)) as pool:
                assert deployed_difference(present.place.path, index, pool) is None
            links = [path for path in present.place.folder.iterdir() if path.is_symlink()]
            assert all(link.is_dir() for link in links)
            assert present.place.lease.is_file()
    assert read_inventory(home).problems == ()


def snapshot(root: Path) -> dict[str, object]:
    """Return all that is there, but not when the deployment's own folders were written."""
    return {
        path: fact[2:] if path.count("/") < 2 or "/.layer" in path or not fact[3] else fact
        for path, fact in full_facts(root).items()
    }


@pytest.mark.parametrize("release", ["first", "delta and frames", "copy and frames"])
def test_run_after_a_kill_ends_as_an_undisturbed_one(tmp_path: Path, made: Publisher, release: str) -> None:
    releases = publish(made)
    before = Home(tmp_path / "before")
    if release != "first":
        provide(before, made.store, releases["first"])
    else:
        before.root.mkdir()
    shutil.copytree(before.root, tmp_path / "expected", symlinks=True)
    undisturbed = run(made, tmp_path / "expected", release)
    expected = snapshot(tmp_path / "expected")
    count = int(undisturbed.stdout)
    assert count > 20

    def killed_at(moment: int) -> None:
        home = Home(tmp_path / f"killed-{moment}")
        shutil.copytree(before.root, home.root, symlinks=True)
        assert run(made, home.root, release, moment).returncode == -signal.SIGKILL
        assert_whole(home)
        provide(home, made.store, releases[release])
        assert_whole(home)
        assert snapshot(home.root) == expected
        shutil.rmtree(home.root)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(killed_at, chosen_moments(count)))
