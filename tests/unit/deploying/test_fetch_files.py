"""Some files of a layer, fetched for repairs."""

import stat
from pathlib import Path

import pytest

from fakes.deltas import OLD, full_facts
from fakes.releases import PLATFORM, Publisher, provide, publisher
from venvstacks import files
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.deploying.fetch_files import fetch_files
from venvstacks.deploying.inventory import Inventory
from venvstacks.deploying.layer_indexes import LayerIndex, read_indexes
from venvstacks.deploying.places import Home
from venvstacks.entries import EntryKind
from venvstacks.errors import StoreError
from venvstacks.releases.release_format import ReleaseLayer
from venvstacks.stores.interface import blob_name
from venvstacks.work import Work

WANTED = {"bin/tool", "bin/tool2", "lib/large.so", "lib/pkg/__init__.py", "lib/pkg/same.py"}


def index_of(made: Publisher, layer: ReleaseLayer) -> LayerIndex:
    return read_indexes(made.store, PLATFORM, [layer], Inventory(()), Work(jobs=1))[layer.index.sha256]


def fetch(made: Publisher, layer: ReleaseLayer, folder: Path, wanted: set[str] = WANTED) -> None:
    known = index_of(made, layer)
    entries = [entry for entry in known.index.entries if entry.path in wanted]
    folder.mkdir()
    downloads = folder.with_name("downloads")
    fetch_files(made.store, layer, known, entries, folder, downloads=downloads, work=Work(jobs=2))


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_only_these_files_are_written(tmp_path: Path, kind: ArchiveFormat) -> None:
    made = publisher(tmp_path / "made", kind)
    layer = made.layer("app-a", OLD)
    home = Home(tmp_path / "deployed")
    provide(home, made.store, [layer])
    fetch(made, layer, tmp_path / "some")
    found = full_facts(tmp_path / "some")
    everything = full_facts(home.place(layer).path)
    assert {path: fact for path, fact in found.items() if path in WANTED} == {
        path: everything[path] for path in WANTED
    }
    others = {path for path in found if path not in WANTED}
    assert others == {".", "bin", "lib", "lib/pkg"}
    assert list((tmp_path / "downloads").iterdir()) == []


def test_only_their_frames_are_fetched(tmp_path: Path) -> None:
    made = publisher(tmp_path / "made")
    layer = made.layer("app-a", OLD)
    known = index_of(made, layer)
    before = made.store.traffic.received
    fetch(made, layer, tmp_path / "some", {"bin/tool"})
    assert made.store.traffic.received - before - layer.index.size < 1000
    (entry,) = (entry for entry in known.index.entries if entry.path == "bin/tool")
    assert entry.type is EntryKind.FILE
    assert files.file_sha256(tmp_path / "some/bin/tool") == entry.sha256
    assert stat.S_IMODE((tmp_path / "some/bin/tool").stat().st_mode) == 0o755


@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_damaged_archives_are_told(tmp_path: Path, how: str) -> None:
    made = publisher(tmp_path / "made")
    layer = made.layer("app-a", OLD)
    name = blob_name(layer.archive.sha256)
    data = made.store.contents.pop(name)
    if how == "wrong":
        made.store.contents[name] = bytes(len(data))
    with pytest.raises(StoreError, match="app-a cannot be fetched from memory:store: ") as caught:
        fetch(made, layer, tmp_path / "some")
    assert caught.value.hint
