"""The two functions that target machines call, through the package, on what was really packed."""

from pathlib import Path

import pytest

import venvstacks
from fakes.deltas import Pair, full_facts, make_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


def test_patch(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[venvstacks.Event] = []
    monkeypatch.chdir(pair.folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    options = venvstacks.Options(jobs=2, observe=events.append)
    patched = venvstacks.patch("old", str(pair.delta), "~/new", options=options)
    assert (patched.layer, patched.path) == ("app", tmp_path / "new")
    assert full_facts(tmp_path / "new") == full_facts(pair.new)
    kinds = [type(event) for event in events]
    assert (kinds[:2], kinds[-1]) == ([venvstacks.Planned, venvstacks.Started], venvstacks.Finished)
    assert {event.step for event in events if isinstance(event, venvstacks.Started)} == {venvstacks.Step.PATCH}


def test_patch_of_another_folder(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(venvstacks.DeltaError):
        venvstacks.patch(pair.new, pair.delta, tmp_path / "new")
    with pytest.raises(venvstacks.DeltaError, match="there is no folder"):
        venvstacks.patch(tmp_path / "absent", pair.delta, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_patch_never_replaces(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("mine")
    with pytest.raises(venvstacks.FilesystemError):
        venvstacks.patch(pair.old, pair.delta, tmp_path / "new")
    assert (tmp_path / "new").read_text() == "mine"


def test_diff(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pair.folder))
    difference = venvstacks.diff("~/old.tar.zst", pair.folder / "new.tar.zst")
    assert isinstance(difference, venvstacks.Difference)
    (layer,) = difference.layers
    assert (layer.name, layer.platform, layer.status.value) == ("app", "linux_x86_64", "changed")
    changes = {change.path: change.status.value for change in layer.files or ()}
    assert changes["lib/pkg/gone.py"] == "removed"
    assert changes["lib/pkg/new.py"] == "added"
    assert changes["lib/pkg/a.py"] == "changed"
    assert "lib/moves.dat" in changes
    assert layer.fetch is not None
    assert layer.fetch.archive == (pair.folder / "new.tar.zst").stat().st_size


def test_diff_of_the_same(pair: Pair) -> None:
    archive = str(pair.folder / "old.tar.zst")
    (layer,) = venvstacks.diff(archive, archive).layers
    assert (layer.status.value, layer.files, layer.fetch) == ("unchanged", (), None)


def test_diff_of_what_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(venvstacks.UsageError):
        venvstacks.diff(tmp_path / "notes.txt", tmp_path / "notes.txt")
