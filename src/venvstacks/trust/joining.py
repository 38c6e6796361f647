"""Joining what several runs have made of a catalog at once: of each release and channel, the latest change counts.

Each carries the number of the version of the targets in which it was changed last, removals included. Numbers are
higher than all that a run could see, so that what was done later counts, in whatever order versions are joined.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from venvstacks.trust.catalog import Catalog, CatalogEntry, make_catalog

_CHANNEL = "channel "

Value = CatalogEntry | str | None
"""A release without its channels, or the release that a channel leads to; None for what was removed."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A catalog, and when what of it was changed last.

    Attributes:
        catalog: The catalog.
        stamps: ``releases/...`` or ``channel NAME`` -> number of the version in which it was changed last.
    """

    catalog: Catalog
    stamps: Mapping[str, int]


def restamp(before: Stamped, catalog: Catalog, number: int) -> Stamped:
    """Return a catalog whose differences from an earlier one are changes of a version."""
    old, new = _values(before.catalog), _values(catalog)
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    return Stamped(catalog, {**before.stamps, **dict.fromkeys(changed, number)})


def join(ours: Stamped, theirs: Stamped) -> Stamped:
    """Return what two runs have made of a catalog; a release to which a channel leads is not removed."""
    mine, other = _values(ours.catalog), _values(theirs.catalog)
    values: dict[str, Value] = {}
    for key in mine.keys() | other.keys():
        later = theirs.stamps.get(key, 0) > ours.stamps.get(key, 0)
        values[key] = (other if later else mine).get(key)
    leading = {version for key, version in values.items() if key.startswith(_CHANNEL)}
    for entry in (*theirs.catalog.entries, *ours.catalog.entries):
        if entry.version in leading and values[entry.path] is None:
            values[entry.path] = replace(entry, channels=())
    stamps = {
        key: max(ours.stamps.get(key, 0), theirs.stamps.get(key, 0))
        for key in ours.stamps.keys() | theirs.stamps.keys()
    }
    return Stamped(_catalog(values), stamps)


def _values(catalog: Catalog) -> dict[str, Value]:
    releases: dict[str, Value] = {entry.path: replace(entry, channels=()) for entry in catalog.entries}
    return {**releases, **{f"{_CHANNEL}{name}": version for name, version in catalog.channels.items()}}


def _catalog(values: Mapping[str, Value]) -> Catalog:
    channels: dict[str, list[str]] = {}
    for key, value in values.items():
        if key.startswith(_CHANNEL) and isinstance(value, str):
            channels.setdefault(value, []).append(key.removeprefix(_CHANNEL))
    entries = (value for value in values.values() if isinstance(value, CatalogEntry))
    return make_catalog(
        replace(entry, channels=tuple(sorted(channels.get(entry.version, ())))) for entry in entries
    )
