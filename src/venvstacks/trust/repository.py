"""Making a store, and changing what it offers: signed, in TUF's order, without losing what others change."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks.errors import ConflictError, NotInStoreError, StoreError, TooLargeError, TrustError, UsageError
from venvstacks.stores.interface import WritableStore
from venvstacks.trust.announcements import Line, read_line
from venvstacks.trust.catalog import Catalog
from venvstacks.trust.draft import Draft, can_sign, draft_snapshot, draft_timestamp, make_draft
from venvstacks.trust.keys import Signers
from venvstacks.trust.metadata import LARGEST, TIMESTAMP_NAME, expiring, parse, require_threshold, sign, versioned
from venvstacks.trust.recovery import recover
from venvstacks.trust.refusals import explain_refusals
from venvstacks.trust.repository_state import RepositoryState, read_repository
from venvstacks.trust.roles import ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Expiry, read_expiry, root_field

if TYPE_CHECKING:
    from tuf.api.metadata import Root

_ATTEMPTS = 100
_STRIDE = 1 << 16


def init_repository(
    store: WritableStore, signers: Signers, *, expiry: Expiry | None = None, now: datetime | None = None
) -> bytes:
    """Make a signed store, or finish what an interrupted run began; return its root metadata.

    Args:
        store: The store.
        signers: The keys; the root is also written into their folder.
        expiry: How long signatures last; with None, as the root in the keys folder says, or by default.
        now: The time, instead of now.

    Raises:
        TrustError: The store was made with other keys.
        UsageError: The folder of keys has a root with another expiry.
    """
    with explain_refusals(store.address):
        known = signers.root
        if known is None and store.size(versioned(ROOT, 1)) is not None:
            raise _made_by_others(store)
        root = known or _make_root(signers, expiry or Expiry(), now)
        metadata = parse(ROOT, root)
        there = read_expiry(metadata.signed.unrecognized_fields)
        if expiry not in (None, there):
            raise UsageError(
                f"{signers.folder} has root metadata with another expiry: {_words(there)}.",
                hint="leave the expiry out, or use another folder for the keys of another store",
            )
        signers.remember_root(root)
        if not _create(store, versioned(ROOT, metadata.signed.version), root):
            raise _made_by_others(store)
        if store.size(TIMESTAMP_NAME) is None:
            _write_first(store, metadata.signed, signers, there, now)
    return root


def _made_by_others(store: WritableStore) -> TrustError:
    return TrustError(
        f"{store.address} is a signed store already, which was made with other keys.",
        hint="use the keys that it was made with, or make the store elsewhere",
    )


def _words(expiry: Expiry) -> str:
    return ", ".join(f"{role} {days} days" for role, days in expiry.as_mapping().items())


def _make_root(signers: Signers, expiry: Expiry, now: datetime | None) -> bytes:
    from tuf.api.metadata import Metadata, Root  # noqa: PLC0415 - heavy; only what signs needs it

    root = Root(
        version=1,
        expires=expiring(expiry.root, now),
        consistent_snapshot=True,
        unrecognized_fields=dict(root_field(expiry)),
    )
    for role in ROLES:
        for key in signers.of_role(role):
            root.add_key(key, role)
        if not root.roles[role].keyids:
            raise TrustError(f"{signers.folder} has no key for {role} metadata of a new store.")
    keys = signers.signers(root, ROOT)
    require_threshold(root, ROOT, keys, signers.folder)
    return sign(Metadata(root), keys)


def _write_first(
    store: WritableStore, root: "Root", signers: Signers, expiry: Expiry, now: datetime | None
) -> None:
    """Write the metadata of an empty store; versions that an interrupted run has left are skipped."""
    from tuf.api.metadata import Metadata, Targets  # noqa: PLC0415 - as above

    for number in range(1, _ATTEMPTS):
        empty = Metadata(Targets(version=number, expires=expiring(expiry.targets, now)))
        keys = signers.signers(root, TARGETS)
        require_threshold(root, TARGETS, keys, signers.folder)
        targets = sign(empty, keys)
        snapshot = draft_snapshot(root, signers, expiry, number, targets=(number, targets), now=now)
        timestamp = draft_timestamp(root, signers, expiry, 1, snapshot=(number, snapshot), now=now)
        names = (versioned(TARGETS, number), targets), (versioned(SNAPSHOT, number), snapshot)
        if not all(_create(store, name, data) for name, data in names):
            continue
        with suppress(ConflictError):  # another run was faster, with the same keys
            store.replace(TIMESTAMP_NAME, timestamp, None)
        return
    raise _contended(store)


def change_catalog(
    store: WritableStore,
    signers: Signers,
    change: Callable[[Catalog], Catalog],
    *,
    files: Mapping[str, bytes | Path] | None = None,
    now: datetime | None = None,
) -> Catalog:
    """Change what a store offers, and return what it offers then; nothing is written if nothing changes.

    Args:
        store: The store.
        signers: The keys, with the newest root that their owner has seen.
        change: A pure function; called again with what is there then when another run was faster.
        files: Names and contents of what the new catalog refers to, written before it.
        now: The time, instead of now.

    Raises:
        TrustError: The store is not signed as it should be, or keys are missing.
        StoreError: The store cannot be read or written.
    """
    for name, content in (files or {}).items():
        store.create(name, content)
    return _change(store, signers, change, refresh=False, now=now)


def refresh_timestamp(store: WritableStore, signers: Signers, *, now: datetime | None = None) -> RepositoryState:
    """Sign the timestamp again, and what has lived for half of its time, as far as the keys are here."""
    _change(store, signers, lambda catalog: catalog, refresh=True, now=now)
    return read_repository(store, signers.root)


def _change(
    store: WritableStore,
    signers: Signers,
    change: Callable[[Catalog], Catalog],
    *,
    refresh: bool,
    now: datetime | None,
) -> Catalog:
    written = False
    for attempt in range(_ATTEMPTS):
        state, line = read_for_signing(store, signers)
        # what other runs have seen is only joined with what they write at once, not done again
        wanted = line.stamped.catalog if written else change(line.stamped.catalog)
        if refresh and not can_sign(state.root.signed, TARGETS, signers):
            wanted = state.catalog  # what other runs list besides has to wait for one that can sign it
        if wanted == state.catalog and not line.adopted and (written or not refresh):
            return wanted
        with explain_refusals(store.address):
            number = next_number(store, line, attempt)
            lineage = line.lineage_of(wanted, number)
            draft = make_draft(
                state, wanted, signers, number=number, lineage=lineage, adopted=line.adopted, now=now
            )
        if write_draft(store, state, draft):
            if draft.root:
                signers.remember_root(draft.root[1])
            if store.creates_once:
                return wanted
            written = True
        else:
            written = written or _is_announced(store, draft)
    raise _contended(store)


def next_number(store: WritableStore, line: Line, attempt: int = 0) -> int:
    """Return the number of new targets and a new snapshot, which no other run takes where that cannot be seen."""
    return line.highest + 1 + (attempt if store.creates_once else secrets.randbelow(_STRIDE))


def read_for_signing(store: WritableStore, signers: Signers) -> tuple[RepositoryState, Line]:
    """Return what there is, verified by the root that the keys folder knows, and what comes next.

    Raises:
        TrustError: The store is not signed as it should be, or the keys folder knows no root.
        StoreError: The store cannot be read.
    """
    root = signers.root
    if root is None:
        raise TrustError(
            f"{signers.folder} has no ROOT.json, so that nothing can be verified before it is signed.",
            hint="copy it from the keys folder with which the store was made, or from where clients get it",
        )
    recovered = False
    try:
        state = read_repository(store, root)
    except TrustError as error:
        from tuf.api.exceptions import UnsignedMetadataError  # noqa: PLC0415 - as above

        with explain_refusals(store.address):
            found = recover(store, root) if isinstance(error.__cause__, UnsignedMetadataError) else None
        if found is None:
            raise
        state, recovered = found, True
    signers.remember_root(state.root_data)
    line = read_line(store, state)
    state = replace(state, targets=line.targets, targets_data=line.targets_data, catalog=line.listed)
    return state, replace(line, adopted=line.adopted or recovered)


def write_draft(store: WritableStore, state: RepositoryState, draft: Draft) -> bool:
    """Write metadata, the timestamp last; return whether no other run was faster."""
    if draft.root and not draft.timestamp:
        return _create(store, *draft.root)
    if draft.root and not draft.root_last and not _create(store, *draft.root):
        return False
    for count, (name, data) in enumerate(draft.files):
        if not _create(store, name, data):
            _discard(store, draft, count)
            return False
    if not store.creates_once and store.read(TIMESTAMP_NAME, LARGEST[TIMESTAMP]).data != state.timestamp_data:
        _discard(store, draft, len(draft.files))
        return False
    try:
        store.replace(TIMESTAMP_NAME, draft.timestamp, state.tag)
    except ConflictError:
        there = store.read(TIMESTAMP_NAME, LARGEST[TIMESTAMP]).data
        # a request that was sent again after its answer got lost finds what it has written itself
        if there != draft.timestamp:
            # one that was made after ours may lead to our files
            if parse(TIMESTAMP, there).signed.version <= state.timestamp.signed.version + 1:
                _discard(store, draft, len(draft.files))
            return False
    return not draft.root or not draft.root_last or _create(store, *draft.root)


def _create(store: WritableStore, name: str, data: bytes) -> bool:
    """Write a file that must not be there with other content, and return whether that is so now."""
    if store.create(name, data) and store.creates_once:
        return True
    try:
        return store.read(name, len(data)).data == data
    except (NotInStoreError, TooLargeError):
        return False


def _is_announced(store: WritableStore, draft: Draft) -> bool:
    """Return whether other runs see what was to be written, and join it with theirs."""
    if store.creates_once or not draft.files or TARGETS not in draft.files[0][0]:
        return False
    name, data = draft.files[0]
    try:
        return store.read(name, len(data)).data == data
    except (NotInStoreError, TooLargeError):
        return False


def _discard(store: WritableStore, draft: Draft, count: int) -> None:
    """Delete what nobody refers to; where conditions are ignored, others may have joined it already."""
    if not store.creates_once:
        return
    for name, _ in draft.files[:count]:
        store.delete(name)


def _contended(store: WritableStore) -> StoreError:
    return StoreError(
        f"{store.address} was changed by other runs {_ATTEMPTS} times while this one tried to.",
        hint="run the command again when fewer others push to it",
    )
