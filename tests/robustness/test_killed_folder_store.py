"""A run that is killed while it writes into a store leaves whole files, and the next one does the rest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robustness.killed_folder_store import NAMES, write
from venvstacks.files import TEMPORARY_PREFIX
from venvstacks.stores.folder import FolderStore
from venvstacks.stores.names import PRIVATE

SCRIPT = Path(__file__).with_name("killed_folder_store.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def contents(folder: Path) -> dict[str, bytes]:
    store = FolderStore(folder)
    return {listed.name: store.read(listed.name, 1 << 20).data for listed in store.names("")}


def test_whatever_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
    )
    runs = int(done.stdout)
    assert runs > 200
    for number in range(1, runs):
        folder = tmp_path / str(number)
        for name, data in contents(folder).items():
            expected = {NAMES.get(name, b"old"), b"first" if "timestamp" in name else NAMES.get(name, b"old")}
            assert data in expected, (number, name)
        write(FolderStore(folder))
        assert contents(folder) == NAMES, number
        left = [path.name for path in (folder / PRIVATE).iterdir() if path.name.startswith(TEMPORARY_PREFIX)]
        assert left == [], number
    print(f"{runs - 1} kills")
