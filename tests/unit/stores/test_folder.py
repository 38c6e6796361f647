"""What only a store in a folder does: writing so that others see files whole or not at all."""

import errno
import os
from pathlib import Path

import filelock
import pytest

from venvstacks.errors import ConflictError, NotInStoreError, StoreError
from venvstacks.files import TEMPORARY_PREFIX
from venvstacks.stores import folder_writing
from venvstacks.stores.folder import FolderStore
from venvstacks.stores.names import PRIVATE


def test_nothing_is_left_in_the_private_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.create("blobs/a", b"content")
    assert not store.create("blobs/a", b"content")
    store.replace("metadata/timestamp.json", b"1", None)
    assert {path.name for path in (tmp_path / PRIVATE).iterdir()} <= {"lock"}


def test_leftovers_of_runs_that_are_over_are_removed_and_those_of_others_are_not(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    private = tmp_path / PRIVATE
    private.mkdir()
    (private / f"{TEMPORARY_PREFIX}dead").write_bytes(b"half")
    with folder_writing.unfinished(tmp_path, b"of another run") as living:
        store.create("blobs/a", b"content")
        assert [path.name for path in private.glob(f"{TEMPORARY_PREFIX}*")] == [living.name]


def test_a_file_that_another_run_creates_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = FolderStore(tmp_path), FolderStore(tmp_path)
    filled = folder_writing._fill

    def fill_late(descriptor: int, content: bytes | Path) -> None:
        monkeypatch.setattr(folder_writing, "_fill", filled)
        assert other.create("blobs/a", b"first")
        filled(descriptor, content)

    monkeypatch.setattr(folder_writing, "_fill", fill_late)
    assert not store.create("blobs/a", b"second")
    assert store.read("blobs/a", 100).data == b"first"
    monkeypatch.setattr(folder_writing, "_fill", fill_late_for(store, monkeypatch, filled))
    with pytest.raises(ConflictError):
        other.replace("metadata/timestamp.json", b"2", None)


def fill_late_for(store: FolderStore, monkeypatch: pytest.MonkeyPatch, filled: object) -> object:
    def fill(descriptor: int, content: bytes | Path) -> None:
        monkeypatch.setattr(folder_writing, "_fill", filled)
        store.replace("metadata/timestamp.json", b"1", None)
        folder_writing._fill(descriptor, content)

    return fill


def test_where_files_cannot_be_linked_they_are_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    store = FolderStore(tmp_path)
    assert store.create("a", b"1")
    assert not store.create("a", b"2")
    store.replace("b", b"1", None)
    assert [store.read(name, 9).data for name in "ab"] == [b"1", b"1"]


def test_without_locks_files_are_replaced_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    FolderStore(tmp_path).replace("b", b"1", None)
    assert (tmp_path / "b").read_bytes() == b"1"


def test_a_lock_that_is_held_all_the_time_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_writing, "_PATIENCE", 0)
    with (
        folder_writing.hold_folder(tmp_path),
        pytest.raises(StoreError, match="Other runs have held"),
    ):
        FolderStore(tmp_path).replace("b", b"1", None)


def test_a_full_disk_leaves_nothing_and_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    monkeypatch.setattr(folder_writing, "_fill", fill)
    with pytest.raises(StoreError, match="No space left") as raised:
        FolderStore(tmp_path).create("blobs/a", b"content")
    assert raised.value.hint is not None
    assert [path.name for path in tmp_path.rglob("*")] == [PRIVATE]


def test_the_private_folder_and_temporary_files_are_no_part_of_the_store(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.replace("a/b", b"1", None)
    (tmp_path / "a" / f"{TEMPORARY_PREFIX}x").write_bytes(b"")
    assert [listed.name for listed in store.names("")] == ["a/b"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create("a/b", b"1")
    assert store.size("a") is None
    for use in (lambda: store.read("a", 9), lambda: list(store.stream("a")), lambda: store.read("a/b/c", 9)):
        with pytest.raises(NotInStoreError):
            use()
    for name in ("a", "a/b/c"):
        with pytest.raises(StoreError) as raised:
            store.create(name, b"2")
        assert not isinstance(raised.value, NotInStoreError)
    assert [listed.name for listed in store.names("")] == ["a/b"]


def test_the_content_of_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Cannot write") as raised:
        FolderStore(tmp_path).create("a", tmp_path / "absent")
    assert not isinstance(raised.value, NotInStoreError)


def test_a_file_that_is_deleted_while_files_are_listed_is_left_out(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create("a/1", b"1")
    (tmp_path / "a" / "2").symlink_to(tmp_path / "absent")
    assert [listed.name for listed in store.names("a/")] == ["a/1"]


def test_a_file_that_is_cut_off_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create("a", bytes(1_000_000))
    pieces = store.stream("a")
    next(pieces)
    os.truncate(tmp_path / "a", 300_000)
    with pytest.raises(StoreError, match="ends after 300000 of 1000000 bytes"):
        list(pieces)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StoreError, match="Cannot list"):
        list(FolderStore(tmp_path).names(""))


def test_without_locks_nothing_is_taken_for_a_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with folder_writing.unfinished(tmp_path, b"of another run") as living:
        assert FolderStore(tmp_path).create("a", b"1")
        assert living.read_bytes() == b"of another run"


def test_a_file_that_another_run_took_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = iter([False])
    locked = folder_writing._locked
    monkeypatch.setattr(
        folder_writing, "_locked", lambda descriptor: next(taken, None) is None and locked(descriptor)
    )
    assert FolderStore(tmp_path).create("a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
