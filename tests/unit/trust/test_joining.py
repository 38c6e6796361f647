from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from venvstacks.trust.catalog import Catalog, CatalogEntry, make_catalog
from venvstacks.trust.joining import Stamped, join, restamp


def entry(version: str, *channels: str, platform: str = "linux_x86_64") -> CatalogEntry:
    return CatalogEntry(version, platform, "ab" * 32, 100, channels, complete=True, pushed=int(version))


BASE = restamp(Stamped(Catalog(), {}), make_catalog([entry("1", "beta", "stable"), entry("2")]), 10)


def test_what_two_runs_add_is_there() -> None:
    ours = restamp(BASE, BASE.catalog.with_entries([entry("3")]).with_channel("beta", "3"), 20)
    theirs = restamp(BASE, BASE.catalog.with_entries([entry("4")]).with_channel("stable", "4"), 15)
    joined = join(ours, theirs)
    assert joined == join(theirs, ours)
    assert joined.catalog.channels == {"beta": "3", "stable": "4"}
    assert joined.catalog.versions == ("1", "2", "3", "4")


def test_the_later_change_of_a_channel_counts() -> None:
    ours = restamp(BASE, BASE.catalog.with_channel("stable", "2"), 20)
    later = restamp(ours, ours.catalog.with_channel("stable", "1"), 30)
    assert join(ours, later) == join(later, ours) == later


def test_what_was_removed_does_not_come_back() -> None:
    removed = restamp(BASE, BASE.catalog.without("2"), 20)
    assert join(removed, BASE) == join(BASE, removed) == removed


def test_a_release_to_which_a_channel_leads_is_not_removed() -> None:
    removed = restamp(BASE, BASE.catalog.without("2"), 30)
    promoted = restamp(BASE, BASE.catalog.with_channel("stable", "2"), 20)
    for joined in (join(removed, promoted), join(promoted, removed)):
        assert joined.catalog == promoted.catalog


def test_a_release_that_was_replaced() -> None:
    replaced = restamp(BASE, BASE.catalog.with_entries([replace(entry("2"), size=7)]), 20)
    assert join(BASE, replaced) == join(replaced, BASE) == replaced


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from("ab")), min_size=3, max_size=9))
def test_the_order_of_joining_does_not_matter(changes: list[tuple[int, int, str]]) -> None:
    """Three runs push releases and move channels, each knowing only its own."""
    runs, last = [BASE, BASE, BASE], {}
    for number, (run, version, channel) in enumerate(changes, 11):
        there = runs[run].catalog
        wanted = there.with_entries([entry(str(version))] if not there.of(str(version)) else [])
        if there.channels.get(channel) != str(version):  # to move it to where it leads changes nothing
            last[channel] = str(version)
        runs[run] = restamp(runs[run], wanted.with_channel(channel, str(version)), number)
    results = [join(join(a, b), c) for a, b, c in permutations(runs)]
    assert all(result == results[0] for result in results)
    assert join(results[0], runs[0]) == results[0]
    assert last.items() <= results[0].catalog.channels.items()
