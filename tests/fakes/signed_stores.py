"""Signed stores in memory, and releases whose files are anything: what trust needs to know."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fakes.memory_store import MemoryStore
from venvstacks import files
from venvstacks.trust.catalog import Catalog, CatalogEntry
from venvstacks.trust.client import Trusted, read_trusted
from venvstacks.trust.keys import Signers, make_keys
from venvstacks.trust.repository import change_catalog, init_repository
from venvstacks.trust.roles import Expiry

PLATFORM = "linux_x86_64"


def release_file(version: str) -> bytes:
    """Return what stands for the file of a release."""
    return f'{{"version": "{version}"}}'.encode()


def make_entry(version: str, platform: str = PLATFORM, pushed: int = 1) -> CatalogEntry:
    """Return the entry of a release that no channel leads to."""
    content = release_file(version)
    return CatalogEntry(version, platform, files.sha256(content), len(content), pushed=pushed)


@dataclass(frozen=True)
class SignedStore:
    """A store, its keys, and its first root metadata."""

    store: MemoryStore
    signers: Signers
    root: bytes
    folder: Path

    def push(
        self, version: str, channel: str = "stable", *, signers: Signers | None = None, now: datetime | None = None
    ) -> Catalog:
        """Push a release, and let a channel lead to it."""
        entry = make_entry(version)
        return change_catalog(
            self.store,
            signers or self.signers,
            lambda catalog: catalog.with_entries([entry]).with_channel(channel, version),
            files={entry.name: release_file(version)},
            now=now,
        )

    def client(self, now: datetime | None = None, name: str = "client") -> Trusted:
        """Read the store as a machine does that was given the first root."""
        return read_trusted(self.store, self.folder / name, self.root, now=now)


def make_signed_store(
    folder: Path,
    *,
    conditions: bool = True,
    separate: bool = False,
    expiry: Expiry | None = None,
    now: datetime | None = None,
) -> SignedStore:
    """Make an empty signed store."""
    store = MemoryStore(conditions=conditions)
    signers = make_keys(folder / "keys", separate=separate)
    return SignedStore(store, signers, init_repository(store, signers, expiry=expiry, now=now), folder)
