"""Who may sign what in a store, and which of the keys are here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from venvstacks.stores.interface import Store
from venvstacks.trust.keys import Signers
from venvstacks.trust.metadata import parse
from venvstacks.trust.refusals import explain_refusals
from venvstacks.trust.repository_state import read_repository
from venvstacks.trust.roles import ROLES, ROOT
from venvstacks.trust.root_signing import RootChange, describe_waiting, read_next_root


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """A key of a role.

    Attributes:
        keyid: Its ID.
        kind: Its scheme, such as ``ed25519``.
        where: File or URI of the private key; empty if it is not here.
    """

    keyid: str
    kind: str
    where: str


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """The keys of a role.

    Attributes:
        role: Its name.
        threshold: How many of them have to sign.
        keys: The keys.
    """

    role: str
    threshold: int
    keys: tuple[KeyPlace, ...]


@dataclass(frozen=True, slots=True)
class KeyReport:
    """Who may sign what.

    Attributes:
        version: Number of the root.
        roles: The roles.
        waiting: The next root, if one waits for signatures.
    """

    version: int
    roles: tuple[RoleKeys, ...]
    waiting: RootChange | None

    def as_json(self) -> Mapping[str, Any]:
        """Return it as data."""
        waiting = self.waiting
        return {
            "root_version": self.version,
            "roles": {
                role.role: {
                    "threshold": role.threshold,
                    "keys": [{"keyid": key.keyid, "scheme": key.kind, "where": key.where} for key in role.keys],
                }
                for role in self.roles
            },
            "next_root": waiting
            and {
                "version": waiting.version,
                "changes": [str(change) for change in waiting.changes],
                "missing": list(waiting.missing),
            },
        }


def report_keys(store: Store, signers: Signers) -> KeyReport:
    """Read who may sign what in a store.

    Raises:
        TrustError: It is not signed as it should be.
        StoreError: It cannot be read.
    """
    state = read_repository(store, signers.root)
    root = state.root.signed
    roles = tuple(
        RoleKeys(
            role,
            root.roles[role].threshold,
            tuple(
                KeyPlace(keyid, root.keys[keyid].scheme, signers.where(keyid)) for keyid in root.roles[role].keyids
            ),
        )
        for role in ROLES
    )
    data = read_next_root(store)
    with explain_refusals(store.address):
        waiting = None if data is None else describe_waiting(state, parse(ROOT, data), signers)
    return KeyReport(root.version, roles, waiting)
