"""What other runs have written into a store that ignores conditions, and the newest timestamp does not name.

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
from venvstacks.trust.catalog import Catalog
from venvstacks.trust.catalog_format import read_catalog
from venvstacks.trust.draft import Lineage
from venvstacks.trust.joining import Stamped, join, restamp
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
        stamped: The same, joined with what other versions list.
        lineage: What the next version contains; None where stores heed conditions.
        highest: The highest number of a version so far.
    """

    targets: "Metadata[Targets]"
    targets_data: bytes
    adopted: bool
    listed: Catalog
    stamped: Stamped
    lineage: Lineage | None
    highest: int

    def lineage_of(self, catalog: Catalog, number: int) -> Lineage | None:
        """Return what the version with a number says of where it comes from."""
        if self.lineage is None:
            return None
        stamps = restamp(self.stamped, catalog, number).stamps
        return Lineage(self.lineage.settled, self.lineage.included, stamps)


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    metadata: "Metadata[Targets]"
    data: bytes
    lineage: Lineage
    stamped: Stamped


def read_line(store: WritableStore, state: RepositoryState) -> Line:
    """Return what the next version begins with; where stores heed conditions, that is what the timestamp names."""
    highest = max(state.targets.signed.version, state.snapshot.signed.version)
    if store.creates_once:
        stamped = Stamped(state.catalog, {})
        return Line(state.targets, state.targets_data, False, state.catalog, stamped, None, highest)  # noqa: FBT003
    current = _version(state.targets, state.targets_data)
    listed = {_number(found): found.modified for found in store.names(f"{METADATA}/")}
    newest = max(listed.values(), default=0.0)
    old = [number for number, modified in listed.items() if modified < newest - _DAY]
    # what was written again under an old name is not taken for what another run does at once
    settled = max([current.lineage.settled, *old])
    pending = list(_read_pending(store, state, current, [number for number in listed if number > settled]))
    joined = current.stamped
    for version in pending:
        joined = join(joined, version.stamped)
    # of versions that list the same, the one that the timestamp names stays: two runs would else take turns
    whole = None if joined == current.stamped else next((v for v in pending if v.stamped == joined), None)
    adopted, current = whole is not None, whole or current
    read = (*current.lineage.included, *(version.number for version in pending), current.number)
    included = tuple(sorted({number for number in read if number > settled}))
    listed_now = current.stamped.catalog
    lineage = Lineage(settled, included, joined.stamps)
    return Line(current.metadata, current.data, adopted, listed_now, joined, lineage, max([highest, *listed]))


def _number(found: Listed) -> int:
    """Return the number in the name of targets; 0 for all else."""
    number, _, role = found.name.removeprefix(f"{METADATA}/").partition(".")
    return int(number) if role == f"{TARGETS}.json" and number.isascii() and number.isdigit() else 0


def _version(metadata: "Metadata[Targets]", data: bytes) -> _Version:
    try:
        lineage = msgspec.convert(metadata.signed.unrecognized_fields.get(FIELD, {}), Lineage)
    except msgspec.ValidationError:
        lineage = Lineage()
    stamped = Stamped(read_catalog(data), lineage.stamps)
    return _Version(metadata.signed.version, metadata, data, lineage, stamped)


def _read_pending(
    store: WritableStore, state: RepositoryState, current: _Version, numbers: list[int]
) -> Iterator[_Version]:
    """Read versions that the current one does not contain, as far as they are there and signed."""
    from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - heavy; only what signs needs it

    for number in sorted({*numbers} - {*current.lineage.included, current.number}):
        try:
            data = store.read(versioned(TARGETS, number), LARGEST[TARGETS]).data
            metadata = parse(TARGETS, data)
            verify(state.root.signed, TARGETS, metadata)
            version = _version(metadata, data)
        except (StoreError, RepositoryError, TrustError):
            continue
        if version.number == number:
            yield version
