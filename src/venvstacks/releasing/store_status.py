"""What a store offers, how large it is, and until when its signatures may be believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from venvstacks import files
from venvstacks.errors import NotInStoreError, TrustError
from venvstacks.releases.release_format import Release, decode_release
from venvstacks.stores.interface import Store
from venvstacks.trust.catalog import Catalog, CatalogEntry
from venvstacks.trust.client import root_hash
from venvstacks.trust.metadata import LARGEST, versioned
from venvstacks.trust.repository_state import RepositoryState, read_repository
from venvstacks.trust.roles import ROOT
from venvstacks.trust.root_signing import read_next_root

_SOON = 3
"""Signatures are said to expire soon when less than one part in so many of their time is left."""


@dataclass(frozen=True, slots=True)
class ReleaseStatus:
    """A release on one platform.

    Attributes:
        entry: What signed metadata say of it.
        size: Bytes of its archives.
        layers: Number of its layers.
    """

    entry: CatalogEntry
    size: int
    layers: int


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What a store offers.

    Attributes:
        address: Where it is.
        catalog: Releases and channels.
        releases: Each release on each platform, in the order of their pushes.
        size: Bytes of all archives, indexes and deltas of these releases, each counted once.
        expires: Role -> when its signatures expire.
        root_hash: Hash of the first root metadata, with which people compare theirs.
        root_version: Number of the newest root metadata.
        next_root: Whether a root waits for more signatures.
        warnings: What the publisher should do something about.
    """

    address: str
    catalog: Catalog
    releases: tuple[ReleaseStatus, ...]
    size: int
    expires: Mapping[str, datetime]
    root_hash: str
    root_version: int
    next_root: bool
    warnings: tuple[str, ...]

    def as_json(self) -> Mapping[str, Any]:
        """Return it as data."""
        return {
            "address": self.address,
            "channels": dict(self.catalog.channels),
            "expires": {role: moment.isoformat() for role, moment in self.expires.items()},
            "next_root": self.next_root,
            "releases": [
                {
                    "channels": list(release.entry.channels),
                    "complete": release.entry.complete,
                    "layers": release.layers,
                    "platform": release.entry.platform,
                    "pushed": release.entry.pushed,
                    "size": release.size,
                    "version": release.entry.version,
                }
                for release in self.releases
            ],
            "root_hash": self.root_hash,
            "root_version": self.root_version,
            "size": self.size,
            "warnings": list(self.warnings),
        }


def read_store_status(store: Store, root: bytes | None = None, *, now: datetime | None = None) -> StoreStatus:
    """Read the status of a store, whose signatures may have expired.

    Args:
        store: The store.
        root: Root metadata that are trusted; without, the store's own first root is.
        now: The time, instead of now.

    Raises:
        TrustError: It is no signed store, or not signed as it should be.
        StoreError: It cannot be read.
    """
    state = read_repository(store, root)
    releases = {entry: _read_release(store, entry) for entry in state.catalog.entries}
    layers = [layer for release in releases.values() for layer in release.layers]
    blobs = {blob.sha256: blob.size for layer in layers for blob in (layer.archive, layer.index)}
    blobs |= {delta.sha256: delta.size for layer in layers for delta in layer.deltas}
    waits = read_next_root(store) is not None
    return StoreStatus(
        address=store.address,
        catalog=state.catalog,
        releases=tuple(
            ReleaseStatus(entry, sum(layer.archive.size for layer in release.layers), len(release.layers))
            for entry, release in releases.items()
        ),
        size=sum(blobs.values()),
        expires=state.expires,
        root_hash=root_hash(root or store.read(versioned(ROOT, 1), LARGEST[ROOT]).data),
        root_version=state.root.signed.version,
        next_root=waits,
        warnings=(*_expiry_warnings(state, now or datetime.now(UTC)), *_root_warnings(waits)),
    )


def _read_release(store: Store, entry: CatalogEntry) -> Release:
    try:
        data = store.read(entry.name, max(entry.size, 1)).data
    except NotInStoreError:
        data = b""
    if files.sha256(data) != entry.sha256:
        raise TrustError(
            f"{store.address} is damaged: {entry.name} is missing, or another file than its metadata list.",
            hint="`venvstacks store verify` tells what else is",
        )
    return decode_release(data, entry.version, entry.platform)


def _expiry_warnings(state: RepositoryState, now: datetime) -> list[str]:
    found = []
    for role, moment in state.expires.items():
        left = (moment - now).total_seconds()
        days = state.expiry.days(role) * 86_400
        if left <= 0:
            found.append(
                f"The signatures of {role} metadata have expired on {moment:%Y-%m-%d}: clients refuse this store."
            )
        elif left * _SOON < days:
            found.append(f"The signatures of {role} metadata expire on {moment:%Y-%m-%d %H:%M} UTC.")
    return [f"{text} `venvstacks store refresh`, with the keys of this role, signs them again." for text in found]


def _root_warnings(waits: bool) -> list[str]:  # noqa: FBT001 - a private function with one argument
    return ["A new root waits for signatures: `venvstacks store keys sign`."] if waits else []
