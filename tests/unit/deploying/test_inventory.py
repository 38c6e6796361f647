"""What is in the folder of layers."""

from pathlib import Path

import pytest

from fakes.deltas import OLD
from fakes.releases import Publisher, provide, publisher
from venvstacks import files
from venvstacks.deploying.inventory import Inventory, read_inventory
from venvstacks.deploying.places import Home


@pytest.fixture
def made(tmp_path: Path) -> Publisher:
    return publisher(tmp_path / "published")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "deployed")


def test_no_folder(home: Home) -> None:
    assert read_inventory(home) == Inventory(())


def test_layers_are_found(made: Publisher, home: Home) -> None:
    runtime = made.layer("runtime", {"bin/python": b"x"})
    app = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime, app])
    found = read_inventory(home)
    assert [each.place.id for each in found.layers] == sorted([runtime.id, app.id])
    present = found.find(app)
    assert present is not None
    assert present.place == home.place(app)
    assert present.content_hash == app.content_hash
    assert present.index is not None
    assert present.index.install_target == "app-a"
    assert found.problems == ()
    assert found.find(made.layer("app-a", {"other": b""}, [runtime])) is None


def test_what_is_no_layer_is_told(made: Publisher, home: Home) -> None:
    app = made.layer("app-a", OLD)
    provide(home, made.store, [app])
    (home.layers / ("0" * 32)).mkdir()
    (home.layers / ("1" * 32) / ".layer").mkdir(parents=True)
    (home.layers / ("2" * 32) / "app-a").mkdir(parents=True)
    (home.layers / ("3" * 32)).symlink_to(app.id)
    (home.layers / "mine").mkdir()
    (home.layers / "file").write_bytes(b"")
    (home.layers / f"{files.TEMPORARY_PREFIX}0").mkdir()
    found = read_inventory(home)
    assert [each.place.id for each in found.layers] == [app.id]
    folders = [home.layers / (digit * 32) for digit in "012"]
    assert list(found.problems) == [f"{folder} is not a whole layer; it counts as absent." for folder in folders]


def test_what_has_no_place_yet_comes_last(made: Publisher, home: Home) -> None:
    app = made.layer("app-a", OLD)
    provide(home, made.store, [app])
    home.place(app).folder.rename(home.layers / f"{files.TEMPORARY_PREFIX}0")
    (found,) = read_inventory(home).layers
    assert not found.placed
    assert found.content_hash == app.content_hash
    assert read_inventory(home).find(app) is None


@pytest.mark.parametrize("data", [b"", b"nonsense", b"large"])
def test_damaged_indexes(made: Publisher, home: Home, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    app = made.layer("app-a", OLD)
    provide(home, made.store, [app])
    if data == b"large":
        monkeypatch.setattr("venvstacks.deploying.inventory.LARGEST_INDEX", 10)
    else:
        home.place(app).index.write_bytes(data)
    (found,) = read_inventory(home).layers
    assert (found.index, found.content_hash) == (None, "")
    assert not found.is_layer(app)
