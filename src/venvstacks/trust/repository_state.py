"""What a store's metadata say, verified by its chain of roots; for what publishes, which may find them expired."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from venvstacks.errors import NotInStoreError, TrustError
from venvstacks.stores.interface import Store
from venvstacks.trust.catalog import Catalog
from venvstacks.trust.catalog_format import read_catalog
from venvstacks.trust.metadata import LARGEST, TIMESTAMP_NAME, parse, verify, versioned
from venvstacks.trust.refusals import explain_refusals, unsigned
from venvstacks.trust.roles import ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Expiry, read_expiry

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

_MOST_ROOTS = 10_000


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """What the metadata of a store say.

    Attributes:
        root: The newest root.
        root_data: Its file.
        timestamp: The timestamp.
        timestamp_data: Its file.
        tag: The store's tag of that file.
        snapshot: The snapshot that the timestamp names.
        snapshot_data: Its file.
        targets: The targets that the snapshot names.
        targets_data: Their file.
        catalog: What the targets list.
    """

    root: "Metadata[Root]"
    root_data: bytes
    timestamp: "Metadata[Timestamp]"
    timestamp_data: bytes
    tag: str
    snapshot: "Metadata[Snapshot]"
    snapshot_data: bytes
    targets: "Metadata[Targets]"
    targets_data: bytes
    catalog: Catalog

    @property
    def expiry(self) -> Expiry:
        """How long signatures last in this store."""
        return read_expiry(self.root.signed.unrecognized_fields)

    @property
    def expires(self) -> dict[str, datetime]:
        """Role -> when its signatures expire."""
        found: dict[str, Metadata[Any]] = {
            ROOT: self.root,
            TARGETS: self.targets,
            SNAPSHOT: self.snapshot,
            TIMESTAMP: self.timestamp,
        }
        return {role: found[role].signed.expires for role in ROLES}

    def is_due(self, role: str, now: datetime | None = None) -> bool:
        """Return whether more than half of the time of a role's signatures has passed."""
        left = self.expires[role] - (now or datetime.now(UTC))
        return 2 * left.total_seconds() < self.expiry.days(role) * 86_400

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the store of the metadata that it needs; older ones may be deleted."""
        roots = (versioned(ROOT, number) for number in range(1, self.root.signed.version + 1))
        return (
            *roots,
            TIMESTAMP_NAME,
            versioned(SNAPSHOT, self.snapshot.signed.version),
            versioned(TARGETS, self.targets.signed.version),
        )


def read_repository(store: Store, root: bytes | None = None) -> RepositoryState:
    """Read and verify the metadata of a store, expired or not.

    Args:
        store: The store.
        root: Root metadata that are trusted; without, the store's own first root is, as it says of itself.

    Raises:
        TrustError: The store has no metadata, or what it has is not signed as it should be.
        StoreError: The store cannot be read.
    """
    with explain_refusals(store.address):
        *_, (newest, root_data) = read_roots(store, root)
        try:
            stored = store.read(TIMESTAMP_NAME, LARGEST[TIMESTAMP])
        except NotInStoreError:
            raise unsigned(store.address) from None
        timestamp = parse(TIMESTAMP, stored.data)
        verify(newest.signed, TIMESTAMP, timestamp)
        snapshot_meta = timestamp.signed.snapshot_meta
        snapshot_data = store.read(versioned(SNAPSHOT, snapshot_meta.version), LARGEST[SNAPSHOT]).data
        snapshot_meta.verify_length_and_hashes(snapshot_data)
        snapshot = parse(SNAPSHOT, snapshot_data)
        verify(newest.signed, SNAPSHOT, snapshot)
        targets_meta = snapshot.signed.meta[f"{TARGETS}.json"]
        targets_data = store.read(versioned(TARGETS, targets_meta.version), LARGEST[TARGETS]).data
        targets_meta.verify_length_and_hashes(targets_data)
        targets = parse(TARGETS, targets_data)
        verify(newest.signed, TARGETS, targets)
    return RepositoryState(
        newest,
        root_data,
        timestamp,
        stored.data,
        stored.tag,
        snapshot,
        snapshot_data,
        targets,
        targets_data,
        read_catalog(targets_data),
    )


def read_roots(store: Store, root: bytes | None = None) -> Iterator[tuple["Metadata[Root]", bytes]]:
    """Read the chain of a store's roots from a trusted one on, each verified by the one before.

    Raises:
        TrustError: The store has no first root, or the trusted root is damaged.
    """
    try:
        data = store.read(versioned(ROOT, 1), LARGEST[ROOT]).data if root is None else root
    except NotInStoreError:
        raise unsigned(store.address) from None
    newest = parse(ROOT, data)
    verify(newest.signed, ROOT, newest)
    yield newest, data
    for _ in range(_MOST_ROOTS):
        number = newest.signed.version + 1
        try:
            data = store.read(versioned(ROOT, number), LARGEST[ROOT]).data
        except NotInStoreError:
            return
        found = parse(ROOT, data)
        verify(newest.signed, ROOT, found)
        verify(found.signed, ROOT, found)
        if found.signed.version != number:
            raise TrustError(
                f"{store.address} is refused: its root {number} says that it is {found.signed.version}."
            )
        newest = found
        yield newest, data
