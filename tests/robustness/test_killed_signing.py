"""A run that is killed at any moment leaves machines at what was signed before, or at what is signed now."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.counted_kills import chosen_moments
from fakes.signed_stores import PLATFORM, release_file
from robustness import killed_signing
from venvstacks.errors import TrustError
from venvstacks.stores.folder import FolderStore
from venvstacks.trust.client import read_trusted
from venvstacks.trust.keys import make_keys
from venvstacks.trust.repository import init_repository

SCRIPT = Path(__file__).with_name("killed_signing.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
LATER = datetime.now(UTC) + timedelta(days=300)


def run(step: str, folder: Path, at: int = 0) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own."""
    return subprocess.run(
        [sys.executable, SCRIPT, step, folder, str(at)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def read(folder: Path, client: str, root: bytes, now: datetime | None = None) -> str:
    """Return the release that a machine gets."""
    trusted = read_trusted(FolderStore(folder / "store"), folder / client, root, now=now)
    entry = trusted.catalog.find(PLATFORM, channel="stable")
    assert trusted.read_release_file(entry) == release_file(entry.version)
    return entry.version


def make_first(folder: Path) -> bytes:
    """Make a store with a release, and a machine that has seen it."""
    store = FolderStore(folder / "store")
    root = init_repository(store, make_keys(folder / "keys", separate=True))
    killed_signing.push(store, folder, "1")
    assert read(folder, "old", root) == "1"
    return root


@pytest.mark.parametrize("step", ["push", "refresh", "keys", "lost-key"])
def test_machines_see_the_old_state_or_the_new_one(tmp_path: Path, step: str) -> None:
    first = tmp_path / "first"
    root = make_first(first)
    if step == "lost-key":
        (first / "keys/timestamp.pem").unlink()
    shutil.copytree(first, tmp_path / "expected")
    count = int(run(step, tmp_path / "expected").stdout)
    assert count >= 8
    new = "2" if step == "push" else "1"

    def killed_at(moment: int) -> None:
        folder = tmp_path / f"at-{moment}"
        shutil.copytree(first, folder)
        assert run(step, folder, moment).returncode == -signal.SIGKILL
        for client in ("old", "new"):
            try:
                assert read(folder, client, root) in ("1", new)
            except TrustError:
                assert (
                    step == "lost-key"
                )  # between its new root and its timestamp there is no old key to sign with
        killed_signing.run(step, folder)
        now = LATER if step == "refresh" else None
        for client in ("old", "new", "newest"):
            assert read(folder, client, root, now) == new

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(killed_at, chosen_moments(count)))


def test_init_that_is_killed_is_finished_by_the_next_one(tmp_path: Path) -> None:
    count = int(run("init", tmp_path / "expected").stdout)
    assert count >= 20

    def killed_at(moment: int) -> None:
        folder = tmp_path / f"at-{moment}"
        assert run("init", folder, moment).returncode == -signal.SIGKILL
        there = folder / "keys/ROOT.json"
        before = there.read_bytes() if there.exists() else None
        killed_signing.run("init", folder)
        root = there.read_bytes()
        assert before in (None, root)
        killed_signing.push(FolderStore(folder / "store"), folder, "1")
        assert read(folder, "client", root) == "1"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(killed_at, chosen_moments(count)))
