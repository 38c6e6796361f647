"""What other runs have written into a store that ignores conditions, and what the newest timestamp does not name.

There, two runs may both believe to have replaced the timestamp. Since a run writes its targets before the
timestamp and looks for those of others after it, the last one to write it finds what the timestamp does not lead
to, and joins it with its own. So does every later run, if the last one was killed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from venvstacks.errors import StoreError, TrustError
from venvstacks.stores.interface import METADATA, Listed, WritableStore
from venvstacks.trust.catalog import Catalog, merge_catalogs
from venvstacks.trust.catalog_format import read_catalog
from venvstacks.trust.draft import Lineage
from venvstacks.trust.metadata import LARGEST, parse, verify, versioned
from venvstacks.trust.repository_state import RepositoryState
from venvstacks.trust.roles import FIELD, TARGETS

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Targets

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Line:
    """What the next version of the targets begins with.

    Attributes:
        targets: The newest version that contains that of the timestamp.
        targets_data: Its file.
        adopted: Whether the timestamp does not lead to it yet.
        listed: What it lists.
        catalog: The same, joined with what other versions list.
        lineage: What the next version contains; None where stores heed conditions.
        highest: The highest number of a version so far.
    """

    targets: "Metadata[Targets]"
    targets_data: bytes
    adopted: bool
    listed: Catalog
    catalog: Catalog
    lineage: Lineage | None
    highest: int


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    metadata: "Metadata[Targets]"
    data: bytes
    lineage: Lineage


def read_line(store: WritableStore, state: RepositoryState) -> Line:
    """Return what the next version begins with; where stores heed conditions, that is what the timestamp names."""
    highest = max(state.targets.signed.version, state.snapshot.signed.version)
    if store.creates_once:
        return Line(state.targets, state.targets_data, False, state.catalog, state.catalog, None, highest)  # noqa: FBT003
    listed = {_number(found): found for found in store.names(f"{METADATA}/")}
    listed.pop(0, None)
    newest = max((found.modified for found in listed.values()), default=0.0)
    old = [number for number, found in listed.items() if found.modified < newest - _DAY]
    young = [number for number in listed if number not in old]
    current = _Version(
        state.targets.signed.version, state.targets, state.targets_data, _lineage(state.targets.signed)
    )
    settled = max([current.lineage.settled, *old])
    pending = list(_read_versions(store, state, [n for n in young if n > settled and n != current.number]))
    adopted = False
    for version in pending:
        if version.lineage.contains(current.number):
            current, adopted = version, True
    listed_there = catalog = read_catalog(current.data)
    for version in pending:
        if version.number != current.number and not current.lineage.contains(version.number):
            catalog = _join(store, state, catalog, version)
    included = {n for n in (*current.lineage.included, *young, current.number) if n > settled}
    lineage = Lineage(settled, tuple(sorted(included)), current.number)
    highest = max([highest, *listed])
    return Line(current.metadata, current.data, adopted, listed_there, catalog, lineage, highest)


def _number(found: Listed) -> int:
    number, _, role = found.name.removeprefix(f"{METADATA}/").partition(".")
    return int(number) if role == f"{TARGETS}.json" and number.isascii() and number.isdigit() else 0


def _lineage(targets: "Targets") -> Lineage:
    try:
        return msgspec.convert(targets.unrecognized_fields.get(FIELD, {}), Lineage)
    except msgspec.ValidationError:
        return Lineage()


def _read_versions(store: WritableStore, state: RepositoryState, numbers: list[int]) -> Iterator[_Version]:
    for number in sorted(numbers):
        if (found := _read_version(store, state, number)) is not None:
            yield found


def _read_version(store: WritableStore, state: RepositoryState, number: int) -> _Version | None:
    """Read a version of the targets; None if its run has given it up, or if it is not validly signed."""
    from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - heavy; only what signs needs it

    try:
        data = store.read(versioned(TARGETS, number), LARGEST[TARGETS]).data
        metadata = parse(TARGETS, data)
        verify(state.root.signed, TARGETS, metadata)
        read_catalog(data)
    except (StoreError, RepositoryError, TrustError):
        return None
    if metadata.signed.version != number:
        return None
    return _Version(number, metadata, data, _lineage(metadata.signed))


def _join(store: WritableStore, state: RepositoryState, catalog: Catalog, version: _Version) -> Catalog:
    base = _read_version(store, state, version.lineage.base)
    if base is None:
        return catalog
    return merge_catalogs(read_catalog(base.data), catalog, read_catalog(version.data))
