"""Changes of root metadata: pure functions from a root to the next one."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from venvstacks.errors import UsageError
from venvstacks.trust.roles import ROLES

if TYPE_CHECKING:
    from securesystemslib.signer import Key
    from tuf.api.metadata import Root

Edit = Callable[["Root"], "Root"]
"""From a root to the next one, which has the same version until it is signed."""

SHORT = 8
"""Digits of a key ID that people see, and may give."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """How a role differs between two roots.

    Attributes:
        role: Its name.
        added: IDs of keys that it has only in the new one.
        removed: IDs of keys that it has only in the old one.
        threshold: How many keys have to sign, in the old root and in the new one.
    """

    role: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    threshold: tuple[int, int]

    def __str__(self) -> str:
        parts = [f"+{keyid[:SHORT]}" for keyid in self.added] + [f"-{keyid[:SHORT]}" for keyid in self.removed]
        if self.threshold[0] != self.threshold[1]:
            parts.append(f"threshold {self.threshold[0]} -> {self.threshold[1]}")
        return f"{self.role}: {', '.join(parts)}"


def compare_roots(old: "Root", new: "Root") -> tuple[RoleChange, ...]:
    """Return the roles that differ between two roots."""
    found = []
    for role in ROLES:
        before, after = old.roles[role], new.roles[role]
        added = tuple(keyid for keyid in after.keyids if keyid not in before.keyids)
        removed = tuple(keyid for keyid in before.keyids if keyid not in after.keyids)
        if added or removed or before.threshold != after.threshold:
            found.append(RoleChange(role, added, removed, (before.threshold, after.threshold)))
    return tuple(found)


def find_key(root: "Root", digits: str) -> str:
    """Return the ID of the key that begins with some digits.

    Raises:
        UsageError: There is none, or several.
    """
    found = [keyid for keyid in root.keys if keyid.startswith(digits)] if digits else []
    if len(found) != 1:
        names = ", ".join(keyid[:SHORT] for keyid in root.keys)
        how = "no key" if not found else "several keys"
        raise UsageError(f"The store has {how} beginning with {digits!r}.", hint=f"its keys: {names}")
    return found[0]


def adding(key: "Key", roles: Iterable[str]) -> Edit:
    """Let a key sign for more roles."""

    def edit(root: "Root") -> "Root":
        changed = deepcopy(root)
        for role in roles:
            changed.add_key(key, role)
        return changed

    return edit


def revoking(digits: str, roles: Iterable[str] = ()) -> Edit:
    """Let a key no longer sign for roles, by default for all of its roles."""

    def edit(root: "Root") -> "Root":
        keyid = find_key(root, digits)
        changed = deepcopy(root)
        for role in _roles_of(root, keyid, roles):
            changed.revoke_key(keyid, role)
            _check(changed, role)
        return changed

    return edit


def replacing(digits: str, key: "Key", roles: Iterable[str] = ()) -> Edit:
    """Let a key sign instead of another for roles, by default for all of that one's roles."""

    def edit(root: "Root") -> "Root":
        keyid = find_key(root, digits)
        changed = deepcopy(root)
        for role in _roles_of(root, keyid, roles):
            changed.revoke_key(keyid, role)
            changed.add_key(key, role)
            _check(changed, role)
        return changed

    return edit


def _roles_of(root: "Root", keyid: str, roles: Iterable[str]) -> list[str]:
    has = [role for role in ROLES if keyid in root.roles[role].keyids]
    wanted = list(roles) or has
    if missing := [role for role in wanted if role not in has]:
        raise UsageError(
            f"Key {keyid[:SHORT]} does not sign for {missing[0]}.", hint=f"it signs for {', '.join(has)}"
        )
    return wanted


def requiring(thresholds: Mapping[str, int]) -> Edit:
    """Change how many keys have to sign for roles."""

    def edit(root: "Root") -> "Root":
        changed = deepcopy(root)
        for role, threshold in thresholds.items():
            changed.roles[role].threshold = threshold
            _check(changed, role)
        return changed

    return edit


def _check(root: "Root", role: str) -> None:
    there, needed = len(root.roles[role].keyids), root.roles[role].threshold
    if not 1 <= needed <= there:
        keys = f"{there} key{'' if there == 1 else 's'}"
        raise UsageError(
            f"{role} metadata would have {keys}, and a threshold of {needed}.",
            hint="add or replace keys, or lower the threshold, first",
        )
