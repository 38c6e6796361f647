"""The next metadata of a store: what is signed again, under which version numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from venvstacks.trust.catalog import Catalog
from venvstacks.trust.catalog_format import is_release, target_fields
from venvstacks.trust.keys import Signers
from venvstacks.trust.metadata import expiring, parse, require_threshold, sign, versioned
from venvstacks.trust.repository_state import RepositoryState
from venvstacks.trust.roles import FIELD, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Expiry

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root


@dataclass(frozen=True, slots=True)
class Draft:
    """What is going to be written.

    Attributes:
        root: Name and content of a new root, if there is one; once it is written, it stays.
        root_last: Whether the root is written after all else: what is signed with its keys is valid without it.
        files: Names and contents of what does not exist yet, in order.
        timestamp: The new timestamp, which is written last.
    """

    root: tuple[str, bytes] | None
    files: tuple[tuple[str, bytes], ...]
    timestamp: bytes
    root_last: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """On stores that ignore conditions: which other versions of the targets a version contains.

    Attributes:
        settled: All versions up to this one count as contained.
        included: The later ones.
        stamps: Release or channel -> number of the version in which it was changed last.
    """

    settled: int = 0
    included: tuple[int, ...] = ()
    stamps: Mapping[str, int] = field(default_factory=dict)


def make_draft(
    state: RepositoryState,
    catalog: Catalog,
    signers: Signers,
    *,
    number: int,
    lineage: Lineage | None = None,
    adopted: bool = False,
    now: datetime | None = None,
) -> Draft:
    """Sign what is new in a catalog, and what has lived for half of its time where its keys are here.

    Args:
        state: What there is.
        catalog: What there is to be.
        signers: The keys.
        number: Version of new targets and a new snapshot.
        lineage: What the new targets contain.
        adopted: Whether the snapshot does not lead to the targets of ``state`` yet.
        now: The time, instead of now.

    Raises:
        TrustError: Keys are missing.
    """
    root = state.root.signed
    new_targets, new_snapshot = catalog != state.catalog, adopted or state.is_due(SNAPSHOT, now)
    if not new_targets and state.is_due(TARGETS, now):
        new_targets = can_sign(root, TARGETS, signers)
    files: list[tuple[str, bytes]] = []
    targets_number, targets_data = state.targets.signed.version, state.targets_data
    if new_targets:
        targets_number = number
        targets_data = draft_targets(state, catalog, signers, number=number, lineage=lineage, now=now)
        files.append((versioned(TARGETS, number), targets_data))
    snapshot_number, snapshot_data = state.snapshot.signed.version, state.snapshot_data
    if new_targets or new_snapshot:
        snapshot_number = number
        snapshot_data = draft_snapshot(
            root, signers, state.expiry, number, targets=(targets_number, targets_data), now=now
        )
        files.append((versioned(SNAPSHOT, number), snapshot_data))
    timestamp = draft_timestamp(
        root,
        signers,
        state.expiry,
        state.timestamp.signed.version + 1,
        snapshot=(snapshot_number, snapshot_data),
        now=now,
    )
    return Draft(_renewed_root(state, signers, now), tuple(files), timestamp)


def can_sign(root: "Root", role: str, signers: Signers) -> bool:
    """Return whether enough of a role's keys are here."""
    here = sum(signers.holds(keyid) for keyid in root.roles[role].keyids)
    return here >= root.roles[role].threshold


def draft_targets(
    state: RepositoryState,
    catalog: Catalog,
    signers: Signers,
    *,
    number: int,
    lineage: Lineage | None = None,
    now: datetime | None = None,
) -> bytes:
    """Sign a list of releases; targets that are no releases stay as they are."""
    from tuf.api.metadata import Metadata, TargetFile, Targets  # noqa: PLC0415 - heavy; only what signs needs it

    old = state.targets.signed
    others = {path: target for path, target in old.targets.items() if not is_release(path)}
    releases = {
        entry.path: TargetFile.from_dict(dict(target_fields(entry)), entry.path) for entry in catalog.entries
    }
    fields = {name: value for name, value in old.unrecognized_fields.items() if name != FIELD}
    if lineage:
        fields[FIELD] = {
            "included": list(lineage.included),
            "settled": lineage.settled,
            "stamps": dict(lineage.stamps),
        }
    targets: Metadata[Targets] = Metadata(
        Targets(
            version=number,
            expires=expiring(state.expiry.targets, now),
            targets={**others, **releases},
            unrecognized_fields=fields,
        )
    )
    return _signed(state.root.signed, TARGETS, targets, signers)


def draft_snapshot(
    root: "Root",
    signers: Signers,
    expiry: Expiry,
    number: int,
    *,
    targets: tuple[int, bytes],
    now: datetime | None = None,
) -> bytes:
    """Sign which targets are the newest."""
    from tuf.api.metadata import Metadata, MetaFile, Snapshot  # noqa: PLC0415 - as above

    version, data = targets
    meta = {f"{TARGETS}.json": MetaFile.from_data(version, data, ["sha256"])}
    snapshot = Metadata(Snapshot(version=number, expires=expiring(expiry.snapshot, now), meta=meta))
    return _signed(root, SNAPSHOT, snapshot, signers)


def draft_timestamp(
    root: "Root",
    signers: Signers,
    expiry: Expiry,
    number: int,
    *,
    snapshot: tuple[int, bytes],
    now: datetime | None = None,
) -> bytes:
    """Sign which snapshot is the newest."""
    from tuf.api.metadata import Metadata, MetaFile, Timestamp  # noqa: PLC0415 - as above

    version, data = snapshot
    meta = MetaFile.from_data(version, data, ["sha256"])
    timestamp = Metadata(Timestamp(version=number, expires=expiring(expiry.timestamp, now), snapshot_meta=meta))
    return _signed(root, TIMESTAMP, timestamp, signers)


def _signed(root: "Root", role: str, metadata: "Metadata", signers: Signers) -> bytes:  # type: ignore[type-arg]
    keys = signers.signers(root, role)
    require_threshold(root, role, keys, signers.folder)
    return sign(metadata, keys)


def _renewed_root(state: RepositoryState, signers: Signers, now: datetime | None) -> tuple[str, bytes] | None:
    """Return the next root with the same content, if it is due and its keys are here."""
    root = state.root.signed
    if not state.is_due(ROOT, now) or not can_sign(root, ROOT, signers):
        return None
    renewed = parse(ROOT, state.root_data)
    renewed.signatures.clear()
    renewed.signed.version += 1
    renewed.signed.expires = expiring(state.expiry.root, now)
    data = sign(renewed, signers.signers(root, ROOT))
    return versioned(ROOT, renewed.signed.version), data
