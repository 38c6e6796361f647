"""A store whose timestamp is not signed by the newest keys, since a run that changed them was killed."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from venvstacks.errors import StoreError, TrustError
from venvstacks.stores.interface import METADATA, WritableStore
from venvstacks.trust.catalog_format import read_catalog
from venvstacks.trust.metadata import LARGEST, TIMESTAMP_NAME, parse, verify, versioned
from venvstacks.trust.refusals import explain_refusals
from venvstacks.trust.repository_state import RepositoryState, read_roots
from venvstacks.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root


def recover(store: WritableStore, root: bytes) -> RepositoryState | None:
    """Return the state of the newest snapshot that the newest keys have signed.

    That run has written it before the root that names the keys; only the timestamp is missing.

    Returns:
        None if there is no such snapshot, or if the timestamp is none that earlier keys have signed.
    """
    *_, (newest, root_data) = read_roots(store, root)
    stored = store.read(TIMESTAMP_NAME, LARGEST[TIMESTAMP])
    timestamp = parse(TIMESTAMP, stored.data)
    before = _read_root_before(store, newest)
    if before is None or not _has_signed(before, timestamp):
        return None
    names = [found.name.removeprefix(f"{METADATA}/").partition(".") for found in store.names(f"{METADATA}/")]
    numbers = sorted(int(number) for number, _, role in names if role == f"{SNAPSHOT}.json" and number.isdigit())
    for number in reversed(numbers):
        with suppress(TrustError, StoreError), explain_refusals(store.address):
            snapshot_data = store.read(versioned(SNAPSHOT, number), LARGEST[SNAPSHOT]).data
            snapshot = parse(SNAPSHOT, snapshot_data)
            verify(newest.signed, SNAPSHOT, snapshot)
            meta = snapshot.signed.meta[f"{TARGETS}.json"]
            targets_data = store.read(versioned(TARGETS, meta.version), LARGEST[TARGETS]).data
            meta.verify_length_and_hashes(targets_data)
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
    return None


def _read_root_before(store: WritableStore, newest: "Metadata[Root]") -> "Root | None":
    """Return the root that the newest one follows, by whose keys both are signed; None if there is none."""
    with suppress(TrustError, StoreError), explain_refusals(store.address):
        data = store.read(versioned(ROOT, newest.signed.version - 1), LARGEST[ROOT]).data
        found = parse(ROOT, data)
        verify(found.signed, ROOT, found)
        verify(found.signed, ROOT, newest)
        return found.signed  # type: ignore[no-any-return] # as `verify` has seen
    return None


def _has_signed(root: "Root", timestamp: "Metadata[Any]") -> bool:
    result = root.get_verification_result(TIMESTAMP, timestamp.signed_bytes, timestamp.signatures)
    return result.verified
