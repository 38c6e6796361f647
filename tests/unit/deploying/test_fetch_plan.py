"""The plan is pure: it weighs what there is to fetch, and keeps all ways."""

from pathlib import Path

import pytest
from msgspec import structs

from fakes.deltas import NEW, OLD, Content, noise
from fakes.releases import Publisher, plan, provide, publisher
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import Frame
from venvstacks.deploying.fetch_plan import REQUEST_COST, FrameGroup, Way, group_frames
from venvstacks.deploying.places import Home

RUNTIME: Content = {"!bin/python": noise(3000, seed=11)}


@pytest.fixture
def made(tmp_path: Path) -> Publisher:
    return publisher(tmp_path / "published")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "deployed")


def test_nothing_there(made: Publisher, home: Home) -> None:
    runtime = made.layer("runtime", RUNTIME)
    app = made.layer("app-a", OLD, [runtime])
    found = plan(home, made.store, [runtime, app])
    assert [planned.way for planned in found.layers] == [Way.ARCHIVE, Way.ARCHIVE]
    layers = (runtime, app)
    assert found.bytes == sum(layer.archive.size + layer.index.size for layer in layers)
    assert found.requests == 4
    assert found.missing == found.layers
    assert found.disk >= found.bytes - sum(layer.index.size for layer in layers)
    assert [place.install_target for place in found.layers[1].below] == ["runtime"]
    assert not home.root.exists()


def test_what_is_there_is_kept(made: Publisher, home: Home) -> None:
    runtime = made.layer("runtime", RUNTIME)
    provide(home, made.store, [runtime])
    asked = made.store.traffic.requests
    found = plan(home, made.store, [runtime])
    assert [(planned.way, planned.bytes, planned.requests) for planned in found.layers] == [(Way.KEEP, 0, 0)]
    assert (found.missing, found.disk, found.warnings) == ((), 0, ())
    assert made.store.traffic.requests == asked


def test_equal_content_under_another_id_is_shared(made: Publisher, home: Home) -> None:
    first = made.layer("runtime", RUNTIME)
    other = made.layer("runtime", {**RUNTIME, "lib/more": b"more"})
    app = made.layer("app-a", OLD, [first])
    provide(home, made.store, [first, app])
    again = made.layer("app-a", OLD, [other])
    assert again.id != app.id
    planned = plan(home, made.store, [other, again]).layers[1]
    assert planned.way is Way.COPY
    assert planned.source is not None
    assert planned.source.place.id == app.id
    assert planned.bytes == again.index.size  # it names another archive
    assert [option.way for option in planned.alternatives] == [Way.FRAMES, Way.ARCHIVE]


def test_an_equal_index_is_not_fetched(made: Publisher, home: Home) -> None:
    first = made.layer("runtime", RUNTIME)
    other = made.layer("runtime", {**RUNTIME, "lib/more": b"more"})
    app = made.layer("app-a", OLD, [first])
    provide(home, made.store, [first, app])
    moved = made.layer("app-a", OLD, [other])
    again = structs.replace(moved, index=app.index, archive=app.archive, archive_name=app.archive_name)
    planned = plan(home, made.store, [other, again]).layers[1]
    assert (planned.way, planned.bytes, planned.requests) == (Way.COPY, 0, 0)


def test_small_changes_take_the_delta_or_the_frames(made: Publisher, home: Home) -> None:
    runtime = made.layer("runtime", RUNTIME)
    old = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime, old])
    new = made.layer("app-a", NEW, [runtime], delta_from=old)
    planned = plan(home, made.store, [runtime, new]).layers[1]
    assert planned.way is Way.DELTA
    assert planned.bytes == new.deltas[0].size + new.index.size
    assert [option.way for option in planned.alternatives] == [Way.FRAMES, Way.ARCHIVE]
    costs = [option.cost for option in planned.options]
    assert costs == sorted(costs)


def test_files_of_other_layers_are_not_fetched(tmp_path: Path, home: Home) -> None:
    made = publisher(tmp_path / "large", scale=64 << 10)
    shared = noise(1_000_000, seed=21)
    there = made.layer("framework-a", {"lib/shared": shared, "lib/own": noise(9000, seed=22)})
    provide(home, made.store, [there])
    new = made.layer("framework-b", {"share/moved": shared, "lib/own": noise(9000, seed=23)})
    planned = plan(home, made.store, [new]).layers[0]
    assert planned.way is Way.FRAMES
    assert planned.bytes < 12_000 + new.index.size
    assert planned.requests == 2


def test_near_frames_share_a_request() -> None:
    far = REQUEST_COST
    offsets = [0, 10, 20 + far, 30 + far, 41 + 2 * far]
    frames = [Frame(offset, 10, 10, "0" * 64) for offset in offsets]
    groups = group_frames(frames, [3, 0, 2, 4])
    assert groups == (
        FrameGroup(range(1), 0, 10),
        FrameGroup(range(2, 4), 20 + far, 20),
        FrameGroup(range(4, 5), 41 + 2 * far, 10),
    )
    assert group_frames(frames, [1, 2]) == (FrameGroup(range(1, 3), 10, 20 + far),)
    assert group_frames(frames, []) == ()


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_archives_are_fetched_with_one_request(tmp_path: Path, home: Home, kind: ArchiveFormat) -> None:
    made = publisher(tmp_path / "made", kind)
    layer = made.layer("app-a", OLD)
    planned = plan(home, made.store, [layer]).layers[0]
    assert planned.requests == 2
    assert planned.bytes <= layer.archive.size + layer.index.size
