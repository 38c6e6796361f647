"""Links to the layers below."""

import errno
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from venvstacks.deploying.links import is_link, leads_to, make_link, remove_link

TARGET = "../0/below"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "1").mkdir()
    return tmp_path / "1/below"


def test_links_may_be_made_before_what_they_lead_to(place: Path) -> None:
    assert make_link(place, TARGET)
    assert is_link(place)
    assert leads_to(place, TARGET)
    assert not leads_to(place, "../2/below")
    assert place.readlink() == Path(TARGET)
    remove_link(place)
    assert not is_link(place)
    assert not leads_to(place, TARGET)


def test_what_is_there_is_an_error(place: Path) -> None:
    place.mkdir()
    with pytest.raises(FileExistsError):
        make_link(place, TARGET)
    assert not is_link(place)


def refuse(number: int) -> object:
    def symlink_to(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    return symlink_to


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_systems_without_links(place: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(Path, "symlink_to", refuse(number))
    assert not make_link(place, TARGET)


def test_other_errors_are_errors(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "symlink_to", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="no"):
        make_link(place, TARGET)


@pytest.mark.parametrize("works", [True, False])
def test_junctions_on_windows_hold_an_absolute_path(
    place: Path, monkeypatch: pytest.MonkeyPatch, *, works: bool
) -> None:
    made: list[tuple[str, str]] = []

    def create(target: str, where: str) -> None:
        if not works:
            raise OSError(errno.EINVAL, "no")
        made.append((target, where))

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "_winapi", SimpleNamespace(CreateJunction=create))
    monkeypatch.setattr(Path, "symlink_to", refuse(errno.EPERM))
    assert make_link(place, TARGET) is works
    assert made == ([(str(place.parent.parent / "0/below"), str(place))] if works else [])
