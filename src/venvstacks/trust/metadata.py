"""Signed metadata: names in a store, reading, verifying, signing, for what publishes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from venvstacks.errors import TrustError
from venvstacks.stores.interface import METADATA
from venvstacks.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP

if TYPE_CHECKING:
    from securesystemslib.signer import Signer
    from tuf.api.metadata import Metadata, Root

TIMESTAMP_NAME = f"{METADATA}/timestamp.json"
"""The one file of metadata that changes."""

LARGEST = {ROOT: 512_000, TIMESTAMP: 16_384, SNAPSHOT: 100_000, TARGETS: 16_000_000}
"""Bytes beyond which metadata of a role are not read."""


def versioned(role: str, number: int) -> str:
    """Return the name of a version of a role's metadata in a store."""
    return f"{METADATA}/{number}.{role}.json"


def parse(role: str, data: bytes) -> "Metadata[Any]":
    """Read metadata of a role; nothing is verified."""
    from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - heavy; only what signs needs it
    from tuf.api.metadata import Metadata  # noqa: PLC0415

    found: Metadata[Any] = Metadata.from_bytes(data)
    if found.signed.type != role:
        raise RepositoryError(f"these are metadata of {found.signed.type}, not of {role}")
    return found


def verify(root: "Root", role: str, metadata: "Metadata[Any]") -> None:
    """Verify the signatures of a role by root metadata; whether they have expired is another question."""
    root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)


def sign(metadata: "Metadata[Any]", signers: Iterable["Signer"]) -> bytes:
    """Sign metadata, and return the content of their file.

    Raises:
        TrustError: A key cannot be used.
    """
    from securesystemslib.exceptions import UnverifiedSignatureError  # noqa: PLC0415 - as above
    from tuf.api.exceptions import UnsignedMetadataError  # noqa: PLC0415

    for signer in signers:
        try:
            signature = metadata.sign(signer, append=True)
            signer.public_key.verify_signature(signature, metadata.signed_bytes)
        except UnverifiedSignatureError as error:
            raise TrustError(
                f"Key {signer.public_key.keyid[:8]} cannot sign: its signature is not valid.",
                hint="what its address leads to may be another key by now: see `venvstacks store keys show`",
            ) from error
        except UnsignedMetadataError as error:
            if isinstance(error.__cause__, TrustError):
                raise error.__cause__ from error
            cause = error.__cause__ or error
            reason = str(error) if str(cause) else type(cause).__name__  # such as that of a wrong PIN
            raise TrustError(f"Key {signer.public_key.keyid[:8]} cannot sign: {reason}.") from error
    return metadata.to_bytes()


def require_threshold(root: "Root", role: str, signers: Sequence["Signer"], folder: object) -> None:
    """Refuse to sign for a role with fewer keys than it needs.

    Raises:
        TrustError: There are fewer.
    """
    needed = root.roles[role].threshold
    if len({signer.public_key.keyid for signer in signers}) < needed:
        names = ", ".join(keyid[:8] for keyid in root.roles[role].keyids)
        have = f"{len(signers)} of its keys" if signers else "none of its keys"
        raise TrustError(
            f"{role} metadata cannot be signed: {needed} of the keys {names} must sign, and {folder} has {have}.",
            hint="use a machine with these keys, or `venvstacks store keys` to give the role other ones",
        )


def expiring(days: int, now: datetime | None = None) -> datetime:
    """Return when signatures that are made now expire."""
    return (now or datetime.now(UTC)).replace(microsecond=0) + timedelta(days=days)
