"""The roles of The Update Framework, and how long what they sign may be believed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import msgspec

from venvstacks.documents import DocumentError
from venvstacks.errors import UsageError

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = ROLES = ("root", "targets", "snapshot", "timestamp")

FIELD = "venvstacks"
"""In signed metadata, what is not part of TUF."""

LONGEST = 36_500
"""Days: a hundred years, for stores that nobody refreshes, such as those on read-only media."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """How many days the signatures of each role may be believed.

    Attributes:
        root: For the list of keys.
        targets: For the list of releases.
        snapshot: For what belongs together.
        timestamp: For what is newest.
    """

    root: int = 365
    targets: int = 90
    snapshot: int = 7
    timestamp: int = 7

    def __post_init__(self) -> None:
        for role, days in asdict(self).items():
            if not 1 <= days <= LONGEST:
                raise UsageError(f"{role} metadata cannot expire after {days} days.", hint=f"use 1 to {LONGEST}")

    def days(self, role: str) -> int:
        """Return the days of a role."""
        return self.as_mapping()[role]

    def as_mapping(self) -> Mapping[str, int]:
        """Return role -> days, as root metadata remember it."""
        return asdict(self)


def read_expiry(unrecognized: Mapping[str, object]) -> Expiry:
    """Return what root metadata remember of :class:`Expiry`; the defaults if they do not.

    Args:
        unrecognized: The fields of the signed part that TUF does not know.
    """
    try:
        return msgspec.convert(unrecognized.get(FIELD, {}), _RootField).expiry_days
    except (msgspec.ValidationError, UsageError) as error:
        raise DocumentError(f"its field {FIELD!r} is damaged: {error}") from error


class _RootField(msgspec.Struct, frozen=True):
    expiry_days: Expiry = Expiry()


def root_field(expiry: Expiry) -> Mapping[str, object]:
    """Return what root metadata remember: a field that TUF does not know, and its value."""
    return {FIELD: {"expiry_days": dict(expiry.as_mapping())}}
