"""From addresses to stores."""

import sys
from pathlib import Path

import pytest

from venvstacks.errors import StoreError, UsageError
from venvstacks.stores.addresses import folder_of, open_store, open_writable
from venvstacks.stores.folder import FolderStore


@pytest.mark.parametrize("write", [str, Path.as_uri, lambda path: f"file:{path.as_posix()}"])
def test_folders(tmp_path: Path, write: object) -> None:
    assert callable(write)
    folder = tmp_path / "with space"
    folder.mkdir()
    store = open_store(write(folder).replace("%20", " ") if write is str else write(folder))
    assert isinstance(store, FolderStore)
    assert store.folder == folder
    assert store.address == str(folder)


def test_a_relative_path_means_the_same_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_of("store") == tmp_path / "store"


def test_a_folder_that_is_not_there_can_only_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store in"):
        open_store(str(tmp_path / "absent"))
    store = open_writable(str(tmp_path / "absent"))
    assert not (tmp_path / "absent").exists()
    store.create("a", b"1")
    assert open_store(str(tmp_path / "absent")).read("a", 1).data == b"1"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "is empty"),
        ("htp://u:secret@host/x", "did you mean"),
        ("ftp://host/x", "name a folder"),
        ("file://elsewhere/x", "names no folder"),
        ("https://", "names no server"),
        ("https://host:no/", "names no server"),
    ],
)
def test_what_is_no_address_is_explained(address: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_store(address)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_web_server_can_only_be_read() -> None:
    with pytest.raises(UsageError, match="can only be read") as raised:
        open_writable("https://user:secret@store.example.invalid/x")
    assert "secret" not in str(raised.value)


def test_a_login_is_in_no_address_that_is_shown() -> None:
    store = open_store("https://user:secret@store.example.invalid/x?token=secret")
    assert store.address == "https://store.example.invalid/x"
    store.close()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("venvstacks.stores."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(StoreError) as raised:
        open_store("https://user:secret@store.example.invalid/x")
    assert str(raised.value) == (
        "Using https://store.example.invalid/x needs urllib3, which is not installed.\n"
        "hint: pip install 'venvstacks[deploy]'"
    )
