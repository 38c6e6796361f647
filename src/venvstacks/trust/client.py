"""What a target machine may believe of a store: verified, not expired, not older than what was seen before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from venvstacks import files
from venvstacks.errors import NotInStoreError, TooLargeError, TrustError
from venvstacks.stores.interface import Store
from venvstacks.trust.catalog import Catalog, CatalogEntry
from venvstacks.trust.catalog_format import read_catalog
from venvstacks.trust.metadata import LARGEST, TIMESTAMP_NAME, versioned
from venvstacks.trust.refusals import explain_refusals, incomplete, no_root, too_large
from venvstacks.trust.roles import ROOT, TARGETS, TIMESTAMP
from venvstacks.trust.trust_folder import Known, TrustFolder

_CACHED = 4  # release files: those of the generations that are kept, more or less


@dataclass(frozen=True, slots=True)
class Trusted:
    """What a store offers, verified.

    Attributes:
        catalog: The releases and channels.
        store: The store.
        folder: Where what was verified is kept.
    """

    catalog: Catalog
    store: Store
    folder: Path

    def read_release_file(self, entry: CatalogEntry) -> bytes:
        """Return the verified release file of an entry, from the store unless it was read before.

        Raises:
            TrustError: The store has another file, or none.
            StoreError: The store cannot be read.
        """
        cached = self.folder / "releases" / f"{entry.sha256}.json"
        with files.explain_os_errors("read a release file"):
            if cached.is_file() and _is_content(entry, found := cached.read_bytes()):
                return found
        try:
            data = self.store.read(entry.name, max(entry.size, 1)).data
        except NotInStoreError:
            raise incomplete(self.store.address, entry.name) from None
        except TooLargeError as error:
            raise too_large(self.store.address, error.message) from error
        if not _is_content(entry, data):
            raise TrustError(
                f"{self.store.address} is refused: {entry.name} is not the file that its metadata list.",
                hint="the store is damaged or attacked: ask the publisher",
            )
        self._cache(cached, data)
        return data

    def _cache(self, path: Path, data: bytes) -> None:
        with files.explain_os_errors("keep a release file"):
            files.write_bytes(path, data)
            earlier = sorted(path.parent.glob("*.json"), key=lambda found: found.stat().st_mtime, reverse=True)
            for old in earlier[_CACHED:]:
                if old != path:
                    old.unlink(missing_ok=True)


def _is_content(entry: CatalogEntry, data: bytes) -> bool:
    return len(data) == entry.size and files.sha256(data) == entry.sha256


def root_hash(root: bytes) -> str:
    """Return the hash by which people compare root metadata: ``sha256:HEX``."""
    return f"sha256:{files.sha256(root)}"


def fetch_root(store: Store, wanted: str) -> bytes:
    """Return the root metadata of a store that have a hash, as :func:`root_hash` gives it.

    Raises:
        TrustError: None of the store's has.
        StoreError: The store cannot be read.
    """
    for number in range(1, 1000):
        try:
            data = store.read(versioned(ROOT, number), LARGEST[ROOT]).data
        except NotInStoreError:
            break
        if root_hash(data) == wanted.lower():
            return data
    raise TrustError(
        f"{store.address} has no root metadata with the hash {wanted}.",
        hint="compare the hash with what `venvstacks store status` says, and the address with the publisher's",
    )


def read_trusted(
    store: Store, folder: Path, root: bytes | None = None, *, now: datetime | None = None, keep: bool = True
) -> Trusted:
    """Read what a store offers, and verify it; 2 requests if nothing is new.

    Args:
        store: The store.
        folder: What was verified before; only one run may use it at a time.
        root: Root metadata to begin with; they count from then on, whatever was trusted before, unless they are
            among what was verified before.
        now: The time, instead of now.
        keep: Whether what is verified is written into the folder.

    Raises:
        TrustError: Something is not signed, expired, or older than what was seen before; or there is no root yet.
        StoreError: The store cannot be read.
        FilesystemError: The folder cannot be read or written.
    """
    kept = TrustFolder(folder)
    with files.explain_os_errors(f"use the metadata of a store in {folder}"):
        known = kept.read()
        restarts = root is not None and root not in known.roots.values()
        if root is not None and restarts:
            known = known.restarted(root)
        if not known.roots:
            raise no_root(store.address)
        answers = {} if restarts else _ask(store, max(known.roots))
        timestamp = answers.get(TIMESTAMP_NAME)
        data = kept.unchanged(timestamp, known, now or datetime.now(UTC), store.address)
        if data is None:
            known = _refresh(store, known, kept if keep else None, answers, now)
            data = known.roles[TARGETS]
    return Trusted(read_catalog(data), store, folder)


def _refresh(
    store: Store, known: Known, kept: TrustFolder | None, answers: Mapping[str, bytes | None], now: datetime | None
) -> Known:
    with explain_refusals(store.address):
        from venvstacks.trust.updater import refresh  # noqa: PLC0415 - heavy, and seldom needed

        found = refresh(store, known, kept.write if kept else (lambda _: None), answers=answers, now=now)
    if kept:
        kept.write_verified(found)
    return found


def _ask(store: Store, newest: int) -> Mapping[str, bytes | None]:
    """Ask for what tells whether anything is new: the next root, and the timestamp."""
    answers: dict[str, bytes | None] = {}
    for name, role in ((versioned(ROOT, newest + 1), ROOT), (TIMESTAMP_NAME, TIMESTAMP)):
        try:
            answers[name] = store.read(name, LARGEST[role]).data
        except NotInStoreError:
            answers[name] = None
        except TooLargeError as error:
            raise too_large(store.address, error.message) from error
        if role == ROOT and answers[name] is not None:
            break
    return answers
