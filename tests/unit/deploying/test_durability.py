"""What was written reaches the disk, with one call or file by file."""

import ctypes
import errno
import os
import sys
from pathlib import Path

import pytest

from fakes.built_layers import make_tree
from venvstacks.deploying import durability
from venvstacks.deploying.durability import make_durable, sync_folder

CONTENT: dict[str, bytes | str | None] = {"a/b": b"b", "a/link": "b", "c": None, "d": b"d"}


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the paths of what is synchronised."""
    found: list[str] = []
    sync = durability._sync

    def recorded(path: str) -> None:
        sync(path)
        found.append(path)

    monkeypatch.setattr(durability, "_sync", recorded)
    return found


def test_one_call_for_each_file_system(tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    monkeypatch.setattr(durability, "_find_syncfs", lambda: calls.append)
    make_durable([tmp_path, make_tree(tmp_path / "x", CONTENT)])
    assert calls == [tmp_path]
    assert synced == []


def test_the_call_is_there() -> None:
    assert (durability._find_syncfs() is not None) is (sys.platform == "linux")


def test_file_by_file(tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "_find_syncfs", lambda: None)
    tree = make_tree(tmp_path / "x", CONTENT)
    make_durable([tree])
    assert sorted(synced) == sorted(str(path) for path in (tree, tree / "a", tree / "a/b", tree / "c", tree / "d"))
    sync_folder(tmp_path)
    assert synced[-1] == str(tmp_path)


def test_systems_without_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert durability._find_syncfs() is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert durability._find_syncfs() is None


def test_errors_of_the_disk_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        @staticmethod
        def syncfs(_: int) -> int:
            ctypes.set_errno(errno.EIO)
            return -1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        make_durable([tmp_path])
