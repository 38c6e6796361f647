"""A push, promotion or pruning that is killed at any moment leaves the old state or the new one for clients."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.counted_kills import chosen_moments
from fakes.publications import APPLICATION, FRAMEWORK, PLATFORM, make_publication
from fakes.pushing import STEPS, Publisher
from venvstacks import files
from venvstacks.releases.release_files import blobs_of
from venvstacks.releases.release_format import decode_release
from venvstacks.releasing.verification import verify_store
from venvstacks.stores.folder import FolderStore
from venvstacks.stores.interface import Store
from venvstacks.trust.client import read_trusted
from venvstacks.work import Work

SCRIPT = Path(__file__).with_name("killed_push.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

State = tuple[tuple[str, ...], Mapping[str, str]]
"""Versions that clients see, and channels."""


def run(step: str, keys: Path, output: Path, stores: Mapping[int, Path]) -> list[tuple[int, int]]:
    """Work on stores in processes that end at moments; return how each ended, and how many moments it had."""
    arguments = [argument for at, store in stores.items() for argument in (str(at), store)]
    done = subprocess.run(
        [sys.executable, SCRIPT, step, keys, output, *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = (line.split() for line in done.stdout.splitlines())
    return [(int(status), int(count)) for status, count in lines]


def blobs_in(store: Path) -> dict[Path, int]:
    """Return the blobs in a store, and which file each is: another one if it was written again."""
    return {path: path.stat().st_ino for path in (store / "blobs").rglob("*") if path.is_file()}


def see(store: Store, trust: Path, root: bytes) -> State:
    """Return what a client sees, which must be able to get all of it."""
    trusted = read_trusted(store, trust, root)
    for version in trusted.catalog.versions:
        entry = trusted.catalog.find(PLATFORM, version=version)
        for blob in blobs_of(decode_release(trusted.read_release_file(entry), version, PLATFORM)):
            content = b"".join(store.stream(blob.name))
            assert (len(content), files.sha256(content)) == (blob.size, blob.sha256)
    return trusted.catalog.versions, dict(trusted.catalog.channels)


@pytest.mark.parametrize("step", STEPS)
def test_run_after_a_kill_ends_as_an_undisturbed_one(tmp_path: Path, step: str) -> None:
    first, keys = tmp_path / "first", tmp_path / "keys"
    publisher = Publisher(FolderStore(first), keys)
    publisher.push(make_publication(tmp_path / "1"), "1.0", ("stable",))
    publisher.push(make_publication(tmp_path / "2", {APPLICATION: "2"}), "2.0")
    output = make_publication(tmp_path / "3", {FRAMEWORK: "3", APPLICATION: "3"})
    if step == "prune":
        publisher.promote("2.0", "stable")
    old = see(FolderStore(first), tmp_path / "old-trust", publisher.root)
    expected = tmp_path / "expected"
    shutil.copytree(first, expected)
    ((status, count),) = run(step, keys, output, {0: expected})
    new = see(FolderStore(expected), tmp_path / "new-trust", publisher.root)
    assert status == 0
    assert count >= {"push": 60, "promote": 12, "prune": 24}[step]
    assert old != new
    stores = {moment: tmp_path / f"store-{moment}" for moment in chosen_moments(count)}
    for store in stores.values():
        shutil.copytree(first, store)
    halves = [dict(list(stores.items())[start::2]) for start in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda half: run(step, keys, output, half), halves))
    assert {status for each in ended for status, _ in each} == {-signal.SIGKILL}
    seen = []
    for store in stores.values():
        trust = store.with_name(f"{store.name}-trust")
        seen.append(see(FolderStore(store), trust, publisher.root))
        whole = blobs_in(store)
        again = Publisher(FolderStore(store), keys)
        STEPS[step](again, output, Work(jobs=1))
        assert see(again.store, trust, publisher.root) == new
        assert verify_store(again.store, again.state(), Work(jobs=1)).problems == ()
        assert blobs_in(store).items() >= {item for item in whole.items() if item[0].exists()}
        shutil.rmtree(store)
    assert all(state in (old, new) for state in seen)
    assert old in seen
    assert new in seen
