import time
from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from fakes.publications import APPLICATION, make_publication
from fakes.pushing import Publisher
from venvstacks import files
from venvstacks.errors import ReleaseError, StoreError, UsageError
from venvstacks.releasing import push_run
from venvstacks.releasing.promotion import plan_promotion, run_promotion
from venvstacks.releasing.pruning import (
    PruneRequest,
    StorePrunePlan,
    prepare_prune,
    removable,
    run_prune,
)
from venvstacks.releasing.push_plan import PushRequest
from venvstacks.stores.interface import blob_hash, blob_name
from venvstacks.trust.catalog import CatalogEntry, make_catalog
from venvstacks.trust.client import read_trusted
from venvstacks.work import Work

DAY = 86_400
PLATFORM = "linux_x86_64"


def entry(version: str, days: float, *channels: str, complete: bool = True) -> CatalogEntry:
    return CatalogEntry(version, PLATFORM, "0" * 64, 1, channels, complete, int(-days * DAY))


def plan(publisher: Publisher, keep: int, days: float = 0, *, later: float = 0) -> StorePrunePlan:
    request = PruneRequest(keep, days)
    return prepare_prune(publisher.store, publisher.state(), request, now=time.time() + later * DAY)


@pytest.fixture
def five(publisher: Publisher, tmp_path: Path) -> Publisher:
    for number in range(1, 6):
        output = make_publication(tmp_path / str(number), {APPLICATION: str(number)})
        publisher.push(output, f"{number}.0", ("stable",) if number == 1 else (), deltas=1)
    return publisher


def test_which_releases_go() -> None:
    catalog = make_catalog([entry("1", 9, "old"), entry("2", 8), entry("3", 7), entry("4", 6), entry("5", 5)])
    for keep, days, expected in (
        (5, 0, ()),
        (2, 0, ("2", "3")),
        (1, 7.5, ("2",)),
        (0, 0, ("2", "3", "4", "5")),
        (0, 30, ()),
    ):
        assert removable(catalog, PruneRequest(keep, days), 0) == expected


def test_partial_releases_stay_for_a_day() -> None:
    catalog = make_catalog([entry("0", 2, complete=False), entry("1", 0.5, complete=False), entry("2", 0.1)])
    assert removable(catalog, PruneRequest(1), 0) == ("0",)


def test_numbers_that_make_no_sense() -> None:
    for values in ((-1, 0), (1, -1)):
        with pytest.raises(UsageError, match="can be negative"):
            PruneRequest(*values)


def test_what_is_removed(five: Publisher, store: MemoryStore, tmp_path: Path) -> None:
    gone = [five.release(f"{number}.0").layers[2] for number in (2, 3)]
    pruned = five.prune(2, later=2)
    assert pruned.versions == ("2.0", "3.0")
    assert five.catalog().versions == ("1.0", "4.0", "5.0")
    five.assert_whole()
    for layer in gone:
        assert layer.archive.name not in store.contents
        assert layer.index.name not in store.contents
    assert set(store.together) == {"1.0", "4.0", "5.0"}
    # metadata and release files that nobody needs are gone as well, and clients see what is left
    assert len([name for name in store.contents if name.startswith("targets/")]) == 3
    five.prune(2, later=2)  # what was needed up to then
    assert len([name for name in store.contents if name.endswith(".targets.json")]) == 1
    assert "metadata/1.root.json" in store.contents
    assert read_trusted(store, tmp_path / "trust", five.root).catalog == five.catalog()
    assert plan(five, 2, later=2).files == ()


def test_plan_as_json(five: Publisher) -> None:
    planned = plan(five, 2, later=2)
    found = planned.as_json()
    assert found["releases"] == ["2.0", "3.0"]
    assert found["size"] == planned.bytes == sum(file["size"] for file in found["files"]) > 0


def test_files_of_today_stay(five: Publisher, store: MemoryStore) -> None:
    blobs = {name for name in store.contents if blob_hash(name)}
    pruned = five.prune(2)
    assert (pruned.versions, pruned.files, pruned.bytes) == (("2.0", "3.0"), 0, 0)
    assert blobs <= store.contents.keys()


def test_unreadable_release_file_stops_it(five: Publisher, store: MemoryStore) -> None:
    store.contents[five.catalog().find(PLATFORM, version="5.0").name] = b"{}"
    count = len(store.written)
    with pytest.raises((ReleaseError, StoreError)):
        five.prune(2, later=2)
    assert len(store.written) == count


def test_channel_that_was_switched_meanwhile(five: Publisher) -> None:
    planned = plan(five, 2, later=2)
    promotion = plan_promotion("x", five.catalog(), "3.0", ["stable"])
    run_promotion(promotion, five.store, five.signers)
    pruned = run_prune(planned, five.store, five.signers, Work(jobs=2), now=time.time() + 2 * DAY)
    assert pruned.versions == ("2.0",)
    five.assert_whole()


def test_push_at_the_same_time(five: Publisher, tmp_path: Path) -> None:
    """What is planned to be deleted becomes part of a new release just before that is done."""
    planned = plan(five, 2, later=2)
    archives = {file.name for file in planned.files}
    assert five.release("2.0").layers[2].archive.name in archives
    five.push(tmp_path / "2", "6.0")
    run_prune(planned, five.store, five.signers, Work(jobs=2), now=time.time() + 2 * DAY)
    assert "6.0" in five.catalog().versions
    five.assert_whole()


def test_push_renews_what_may_be_deleted_at_any_moment(
    publisher: Publisher, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[bool] = []
    monkeypatch.setattr(push_run, "settle", lambda: waited.append(True))
    output = make_publication(tmp_path / "1")
    for path in output.glob("*.zst"):
        name = blob_name(files.file_sha256(path))
        store.contents[name] = path.read_bytes()
        store.modified[name] = time.time() - 2 * DAY
    old = dict(store.modified)
    assert publisher.plan(output, PushRequest("1.0")).bytes == 0
    publisher.push(output, "1.0")
    assert waited == [True]
    assert all(store.modified[name] > old[name] + DAY for name in old if blob_hash(name))
    publisher.assert_whole()
