"""TUF's own updater over a store; imported only when something is new."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import BadVersionNumberError, DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from venvstacks.errors import NotInStoreError
from venvstacks.stores.interface import METADATA, Store
from venvstacks.trust.metadata import LARGEST, TIMESTAMP_NAME
from venvstacks.trust.refusals import incomplete, unsigned
from venvstacks.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from venvstacks.trust.trust_folder import Known

_BASE = "store:"
_HISTORY = "root_history"
_NOT_FOUND = 404
_CHANGING = (TIMESTAMP, SNAPSHOT, TARGETS)


class _Fetcher(FetcherInterface):
    """Lets TUF's updater read a store; sizes are limited by the store's reading."""

    def __init__(self, store: Store, answers: Mapping[str, bytes | None]) -> None:
        self._store = store
        self._answers = dict(answers)

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, max(LARGEST.values()))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return the content of a file, of which an earlier answer may be there; None: there is no such file."""
        name = url.removeprefix(_BASE)
        data = self._answers.pop(name) if name in self._answers else self._read(name, max_length)
        if data is not None:
            return data
        if name.endswith(f".{ROOT}.json"):
            raise DownloadHTTPError(f"there is no {name}", _NOT_FOUND)  # so the root before it is the newest
        if name == TIMESTAMP_NAME:
            raise unsigned(self._store.address)
        raise incomplete(self._store.address, name)

    def _read(self, name: str, largest: int) -> bytes | None:
        try:
            return self._store.read(name, largest).data
        except NotInStoreError:
            return None


def refresh(
    store: Store,
    known: Known,
    keep: Callable[[Known], None],
    *,
    answers: Mapping[str, bytes | None],
    now: datetime | None = None,
) -> Known:
    """Update metadata from a store.

    Args:
        store: The store.
        known: What was verified earlier; its newest root is trusted.
        keep: Called with what has been verified, also if what follows is refused.
        answers: Name -> what the store has answered to it just now; None: there is no such file.
        now: The time, instead of now.
    """
    try:
        found = _refresh(store, known, keep, answers, now)
    except BadVersionNumberError:
        # A thief of a key may have signed high numbers, which the publisher does not follow but with new keys:
        # as the specification says, what was signed with keys that were replaced does not count any more.
        kept: list[Known] = []
        _read_roots(store, known, kept, now)
        if not kept or _online_keys(kept[-1].root) == _online_keys(known.root):
            raise
        fresh = replace(kept[-1], roles={})
        found = _refresh(store, fresh, keep, {}, now)
    return found


def _read_roots(store: Store, known: Known, kept: list[Known], now: datetime | None) -> None:
    """Read the newest roots only."""
    answers = {TIMESTAMP_NAME: b""}
    with suppress(Exception):  # the empty timestamp is refused, after the roots have been kept
        _refresh(store, known, kept.append, answers, now)


def _refresh(
    store: Store,
    known: Known,
    keep: Callable[[Known], None],
    answers: Mapping[str, bytes | None],
    now: datetime | None,
) -> Known:
    # in a folder of its own: what is kept is written durably, and links are not made everywhere
    with tempfile.TemporaryDirectory(prefix="venvstacks-trust-") as name:
        folder = Path(name)
        for role, data in known.roles.items():
            (folder / f"{role}.json").write_bytes(data)
        config = UpdaterConfig(
            root_max_length=LARGEST[ROOT],
            timestamp_max_length=LARGEST[TIMESTAMP],
            snapshot_max_length=LARGEST[SNAPSHOT],
            targets_max_length=LARGEST[TARGETS],
        )
        fetcher = _Fetcher(store, answers)
        updater = Updater(name, f"{_BASE}{METADATA}/", fetcher=fetcher, config=config, bootstrap=known.root)
        if now is not None:
            updater._trusted_set.reference_time = now  # noqa: SLF001 - there is no other way to another time
        try:
            updater.refresh()
        finally:
            found = _collect(folder, known)
            keep(found)
    return found


def _collect(folder: Path, known: Known) -> Known:
    """Return what the updater has verified and written."""
    roots = {
        int(path.name.partition(".")[0]): path.read_bytes() for path in (folder / _HISTORY).glob(f"*.{ROOT}.json")
    }
    roles = {role: folder / f"{role}.json" for role in _CHANGING}
    return Known(
        {**known.roots, **roots}, {role: path.read_bytes() for role, path in roles.items() if path.exists()}
    )


def _online_keys(root: bytes) -> object:
    roles = json.loads(root)["signed"]["roles"]
    return [sorted(roles[role]["keyids"]) for role in (TIMESTAMP, SNAPSHOT)]
