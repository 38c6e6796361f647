from dataclasses import replace

import pytest

from venvstacks.errors import ReleaseError
from venvstacks.trust.catalog import Catalog, CatalogEntry, make_catalog

LINUX, WINDOWS = "linux_x86_64", "win_amd64"


def entry(
    version: str, platform: str = LINUX, *channels: str, complete: bool = True, pushed: int = 1
) -> CatalogEntry:
    return CatalogEntry(version, platform, "ab" * 32, 100, channels, complete, pushed)


FIRST = entry("1", LINUX, "beta", "stable")
SECOND = entry("2", pushed=2)
CATALOG = make_catalog([SECOND, FIRST, entry("1", WINDOWS, "beta", "stable")])


def test_names_of_a_release_file() -> None:
    assert FIRST.path == "releases/1-linux_x86_64.json"
    assert FIRST.name == f"targets/releases/{'ab' * 32}.1-linux_x86_64.json"


def test_finding_a_release() -> None:
    assert CATALOG.find(LINUX, channel="stable") == FIRST
    assert CATALOG.find(LINUX, version="2") == SECOND
    assert CATALOG.channels == {"beta": "1", "stable": "1"}
    assert CATALOG.versions == ("1", "2")


@pytest.mark.parametrize(
    ("platform", "wanted", "message", "hint"),
    [
        (LINUX, {"version": "3"}, "no release 3", "its newest releases: 2, 1"),
        (LINUX, {"channel": "nightly"}, "no channel nightly", "its channels: beta, stable"),
        (WINDOWS, {"version": "2"}, "Release 2 is not for win_amd64, only for linux_x86_64.", "win_amd64: 1"),
        ("macosx_arm64", {"channel": "beta"}, "Release 1, to which channel beta leads, is not for", "no release"),
    ],
)
def test_what_is_not_there(platform: str, wanted: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(ReleaseError) as raised:
        CATALOG.find(platform, **wanted)
    assert message in raised.value.message
    assert hint in (raised.value.hint or "")


def test_an_empty_store_says_so() -> None:
    with pytest.raises(ReleaseError) as raised:
        Catalog().find(LINUX, channel="stable")
    assert raised.value.hint == "nothing has been pushed to it yet"


def test_incomplete_releases_are_seen_when_they_are_completed() -> None:
    catalog = CATALOG.with_entries([entry("3", complete=False, pushed=3), entry("3", WINDOWS, complete=False)])
    with pytest.raises(ReleaseError, match="no release 3"):
        catalog.find(LINUX, version="3")
    assert catalog.versions == ("1", "2")
    with pytest.raises(ReleaseError, match="not complete"):
        catalog.with_channel("stable", "3")
    catalog = catalog.completed("3").with_channel("stable", "3")
    assert catalog.find(WINDOWS, channel="stable").version == "3"
    assert catalog.find(LINUX, channel="beta").version == "1"


def test_moving_a_channel_moves_it_on_all_platforms() -> None:
    moved = CATALOG.with_channel("stable", "2")
    assert moved.channels == {"beta": "1", "stable": "2"}
    assert moved.with_channel("stable", "1") == CATALOG
    assert CATALOG.without_channel("beta").channels == {"stable": "1"}
    with pytest.raises(ReleaseError, match="no release 9"):
        CATALOG.with_channel("stable", "9")


def test_removing_a_release() -> None:
    assert CATALOG.without("2").versions == ("1",)
    with pytest.raises(ReleaseError, match="channel beta leads to it"):
        CATALOG.without("1")


def test_an_entry_takes_the_place_of_an_earlier_one() -> None:
    again = replace(SECOND, size=7)
    assert CATALOG.with_entries([again]).of("2") == (again,)
