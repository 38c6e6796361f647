from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from fakes.publications import make_publication
from fakes.pushing import Publisher
from venvstacks.errors import ReleaseError, UsageError
from venvstacks.releasing.promotion import plan_promotion, run_promotion


@pytest.fixture
def two(publisher: Publisher, tmp_path: Path) -> Publisher:
    publisher.push(make_publication(tmp_path / "1"), "1.0", ("stable",))
    publisher.push(make_publication(tmp_path / "2", "2"), "2.0", ("beta",))
    return publisher


def promote(publisher: Publisher, version: str, *channels: str) -> bool:
    plan = plan_promotion(publisher.store.address, publisher.catalog(), version, channels)
    run_promotion(plan, publisher.store, publisher.signers)
    return plan.changes


def test_to_a_newer_and_back_to_an_older_release(two: Publisher) -> None:
    assert promote(two, "2.0", "stable")
    assert two.catalog().channels == {"stable": "2.0", "beta": "2.0"}
    assert promote(two, "1.0", "stable", "old")
    assert two.catalog().channels == {"stable": "1.0", "beta": "2.0", "old": "1.0"}


def test_nothing_is_written_if_nothing_changes(two: Publisher, store: MemoryStore) -> None:
    before = len(store.written)
    assert not promote(two, "1.0", "stable")
    assert len(store.written) == before


def test_what_cannot_be_promoted(two: Publisher, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"has no release 3\.0"):
        promote(two, "3.0", "stable")
    with pytest.raises(UsageError, match="cannot name"):
        promote(two, "1.0", "a/b")
    two.push(make_publication(tmp_path / "3", "3"), "3.0", partial=True)
    with pytest.raises(ReleaseError, match="not complete") as info:
        promote(two, "3.0", "stable")
    assert "without --partial" in str(info.value.hint)


def test_plan_says_what_changes(two: Publisher) -> None:
    plan = plan_promotion("x", two.catalog(), "2.0", ["stable", "new"])
    assert plan.as_json() == {
        "store": "x",
        "release": "2.0",
        "channels": {"stable": "1.0", "new": ""},
        "changes": True,
    }
