import pytest

from fakes.memory_store import MemoryStore
from venvstacks.errors import ConflictError
from venvstacks.releasing.installer import Installer
from venvstacks.releasing.installer_files import write_installers

SCRIPT = Installer("install.sh", b"new")


def test_the_last_one_wins(store: MemoryStore) -> None:
    def other_run(_: str) -> None:
        store.before_write = str
        store.contents["install.sh"] = b"of another run"

    store.contents["install.sh"] = b"old"
    store.before_write = other_run
    write_installers([SCRIPT], store)
    assert store.contents["install.sh"] == b"new"


def test_same_script_is_not_written_again(store: MemoryStore) -> None:
    write_installers([SCRIPT], store)
    write_installers([SCRIPT], store)
    assert store.written == ["install.sh"]


def test_others_that_never_end(store: MemoryStore) -> None:
    def other_run(_: str) -> None:
        store.contents["install.sh"] = store.contents.get("install.sh", b"") + b"x"

    store.before_write = other_run
    with pytest.raises(ConflictError):
        write_installers([SCRIPT], store)
