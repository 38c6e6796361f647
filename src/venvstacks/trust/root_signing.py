"""The next root of a store: signed by the old keys and the new ones, by one holder of keys after the other."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from venvstacks.errors import ConflictError, NotInStoreError, TrustError, UsageError
from venvstacks.humanize import counted
from venvstacks.stores.interface import METADATA, Store, WritableStore
from venvstacks.trust.announcements import Line
from venvstacks.trust.draft import Draft, Lineage, can_sign, draft_snapshot, draft_targets, draft_timestamp
from venvstacks.trust.keys import Signers
from venvstacks.trust.metadata import LARGEST, expiring, parse, sign, verify, versioned
from venvstacks.trust.refusals import explain_refusals
from venvstacks.trust.repository import next_number, read_for_signing, write_draft
from venvstacks.trust.repository_state import RepositoryState
from venvstacks.trust.roles import ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from venvstacks.trust.root_edits import SHORT, Edit, RoleChange, compare_roots

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root

PENDING = f"{METADATA}/next-root.json"
"""Where the next root waits for more signatures; clients do not read it."""


@dataclass(frozen=True, slots=True)
class RootChange:
    """What has become of the next root.

    Attributes:
        version: Its number.
        published: Whether clients see it.
        changes: How its roles differ from those of the root before.
        data: Its file, with the signatures so far.
        missing: What is needed before it can be published, for people.
    """

    version: int
    published: bool
    changes: tuple[RoleChange, ...]
    data: bytes
    missing: tuple[str, ...] = ()


def change_root(store: WritableStore, signers: Signers, edit: Edit, *, now: datetime | None = None) -> RootChange:
    """Make the next root, sign it with the keys that are here, and publish it if they suffice.

    Otherwise it waits in the store for other holders of keys, who call :func:`sign_next_root`.

    Raises:
        UsageError: The change is not possible, or another root waits already.
        TrustError: The store is not signed as it should be, or keys cannot be used.
        ConflictError: Another run has changed the store meanwhile.
    """
    with explain_refusals(store.address):
        state, line = read_for_signing(store, signers)
        if read_next_root(store) is not None:
            raise UsageError(
                f"A new root waits in {store.address} for signatures.",
                hint="finish it with `venvstacks store keys sign`, or drop it with `venvstacks store keys drop`",
            )
        changed = edit(state.root.signed)
        changed.version = state.root.signed.version + 1
        changed.expires = expiring(state.expiry.root, now)
        if not compare_roots(state.root.signed, changed):
            raise UsageError("That would change no key and no threshold.")
        return _sign_and_publish(store, signers, state, line, _unsigned(changed), now=now)


def read_next_root(store: Store) -> bytes | None:
    """Return the root that waits for signatures; None if none does."""
    try:
        return store.read(PENDING, LARGEST[ROOT]).data
    except NotInStoreError:
        return None


def sign_next_root(
    store: WritableStore, signers: Signers, *, signed: bytes | None = None, now: datetime | None = None
) -> RootChange:
    """Sign the root that waits with the keys that are here, and publish it if its signatures suffice.

    Args:
        store: The store.
        signers: The keys.
        signed: The same root, with signatures that were made elsewhere.
        now: The time, instead of now.

    Raises:
        UsageError: No root waits.
        TrustError: It is not the next root of the store.
    """
    with explain_refusals(store.address):
        state, line = read_for_signing(store, signers)
        data = read_next_root(store)
        if data is None:
            raise UsageError(f"No root waits in {store.address} for signatures.")
        waiting = parse(ROOT, data)
        if signed is not None:
            _join_signatures(waiting, parse(ROOT, signed))
        if waiting.signed.version != state.root.signed.version + 1:
            raise TrustError(
                f"The root that waits in {store.address} does not follow the newest one.",
                hint="drop it with `venvstacks store keys drop`, and make the change again",
            )
        return _sign_and_publish(store, signers, state, line, waiting, now=now)


def sign_root_file(data: bytes, signers: Signers) -> tuple[bytes, tuple[RoleChange, ...]]:
    """Sign a copy of the root that waits, without the store; return it, and what it changes.

    Raises:
        TrustError: It does not follow the root that the keys folder knows, or no key here may sign it.
    """
    with explain_refusals("the root metadata"):
        known = parse(ROOT, signers.root or b"")
        waiting = parse(ROOT, data)
        if waiting.signed.version != known.signed.version + 1:
            raise TrustError(
                f"This is root {waiting.signed.version}, and {signers.folder} knows root {known.signed.version}.",
                hint="copy the store's newest root over ROOT.json in the keys folder, after checking its hash",
            )
        if not _add_signatures(waiting, known.signed, signers):
            raise TrustError(f"{signers.folder} has no key that may sign this root.")
        return waiting.to_bytes(), compare_roots(known.signed, waiting.signed)


def drop_next_root(store: WritableStore) -> bool:
    """Drop the root that waits for signatures, and return whether there was one."""
    there = read_next_root(store) is not None
    store.delete(PENDING)
    return there


def _unsigned(root: "Root") -> "Metadata[Root]":
    from tuf.api.metadata import Metadata  # noqa: PLC0415 - heavy; only what signs needs it

    return Metadata(root)


def _join_signatures(waiting: "Metadata[Root]", other: "Metadata[Root]") -> None:
    if other.signed_bytes != waiting.signed_bytes:
        raise TrustError("The signed file is another root than the one that waits in the store.")
    waiting.signatures.update(other.signatures)


def _add_signatures(waiting: "Metadata[Root]", old: "Root", signers: Signers) -> int:
    """Sign with all keys that are here and that the old root or the new one names."""
    keyids = dict.fromkeys((*old.roles[ROOT].keyids, *waiting.signed.roles[ROOT].keyids))
    here = [keyid for keyid in keyids if signers.holds(keyid)]
    sign(waiting, [signers.signer(keyid) for keyid in here if keyid not in waiting.signatures])
    return len(here)


def describe_waiting(state: RepositoryState, waiting: "Metadata[Root]", signers: Signers) -> RootChange:
    """Return what a root that waits changes, and what it still needs."""
    missing = (*_missing_signatures(state.root.signed, waiting), *_missing_keys(state, waiting.signed, signers))
    changes = compare_roots(state.root.signed, waiting.signed)
    return RootChange(waiting.signed.version, False, changes, waiting.to_bytes(), missing)  # noqa: FBT003


def _sign_and_publish(
    store: WritableStore,
    signers: Signers,
    state: RepositoryState,
    line: Line,
    waiting: "Metadata[Root]",
    *,
    now: datetime | None,
) -> RootChange:
    _add_signatures(waiting, state.root.signed, signers)
    found = describe_waiting(state, waiting, signers)
    data, version = found.data, found.version
    if found.missing:
        if read_next_root(store) != data:
            _keep(store, data)
        return found
    number = next_number(store, line)
    lineage = line.lineage_of(state.catalog, number)
    made = _draft(state, waiting.signed, signers, number=number, lineage=lineage, now=now)
    draft = replace(made, root=(versioned(ROOT, version), data))
    if not write_draft(store, state, draft):
        raise ConflictError(f"{store.address} was changed by another run meanwhile.", hint="run the command again")
    signers.remember_root(data)
    store.delete(PENDING)
    return replace(found, published=True)


def _keep(store: WritableStore, data: bytes) -> None:
    try:
        tag = store.read(PENDING, LARGEST[ROOT]).tag
    except NotInStoreError:
        tag = None
    store.replace(PENDING, data, tag)


def _missing_signatures(old: "Root", waiting: "Metadata[Root]") -> list[str]:
    same = old.roles[ROOT] == waiting.signed.roles[ROOT]
    asked = [(old, "")] if same else [(old, "old "), (waiting.signed, "new ")]
    found = []
    for root, which in asked:
        result = root.get_verification_result(ROOT, waiting.signed_bytes, waiting.signatures)
        if result.missing:
            names = ", ".join(keyid[:SHORT] for keyid in result.unsigned)
            found.append(f"{counted(result.missing, 'signature')} of the {which}root keys {names}")
    return found


def _missing_keys(state: RepositoryState, new: "Root", signers: Signers) -> list[str]:
    """Return which keys have to be here, since their roles have to sign again before clients see the new root."""
    return [
        f"a machine with the new {role} keys to publish it"
        for role in _signing_again(state, new)
        if not can_sign(new, role, signers)
    ]


def _signing_again(state: RepositoryState, new: "Root") -> list[str]:
    """Return the roles whose metadata have to be signed again for a new root, and those above them."""
    metadata: dict[str, Metadata[Any]] = {
        TARGETS: state.targets,
        SNAPSHOT: state.snapshot,
        TIMESTAMP: state.timestamp,
    }
    again: list[str] = []
    for role, found in metadata.items():
        result = new.get_verification_result(role, found.signed_bytes, found.signatures)
        if again or not result.verified:
            again.append(role)
    return again


def _draft(
    state: RepositoryState,
    new: "Root",
    signers: Signers,
    *,
    number: int,
    lineage: Lineage | None,
    now: datetime | None,
) -> Draft:
    """Sign again what is needed, with the old keys as well, so that clients can use it before and after."""
    again = _signing_again(state, new)
    if not again:
        return Draft(None, (), b"")
    both = _both(state.root.signed, new)
    changed = replace(state, root=_unsigned(both))
    files: list[tuple[str, bytes]] = []
    targets = state.targets.signed.version, state.targets_data
    if TARGETS in again:
        targets = number, draft_targets(changed, state.catalog, signers, number=number, lineage=lineage, now=now)
        files.append((versioned(TARGETS, number), targets[1]))
    snapshot = state.snapshot.signed.version, state.snapshot_data
    if SNAPSHOT in again:
        snapshot = number, draft_snapshot(both, signers, state.expiry, number, targets=targets, now=now)
        files.append((versioned(SNAPSHOT, number), snapshot[1]))
    timestamp = draft_timestamp(
        both, signers, state.expiry, state.timestamp.signed.version + 1, snapshot=snapshot, now=now
    )
    drafts = {TIMESTAMP: timestamp, SNAPSHOT: snapshot[1], TARGETS: targets[1]}
    return Draft(None, tuple(files), timestamp, root_last=_all_valid(state.root.signed, drafts))


def _both(old: "Root", new: "Root") -> "Root":
    """Return a root whose roles have the keys of both, for signing with all of them."""
    from copy import deepcopy  # noqa: PLC0415 - used here only

    both = deepcopy(new)
    for role in ROLES:
        for keyid in old.roles[role].keyids:
            if keyid not in both.roles[role].keyids:
                both.add_key(old.keys[keyid], role)
    return both


def _all_valid(root: "Root", drafts: dict[str, bytes]) -> bool:
    from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - as above

    try:
        for role, data in drafts.items():
            verify(root, role, parse(role, data))
    except RepositoryError:
        return False
    return True
