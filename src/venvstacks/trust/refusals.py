"""Why something is not believed, in words for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec

from venvstacks.documents import DocumentError
from venvstacks.errors import TooLargeError, TrustError

_INSTALL = "pip install 'venvstacks[deploy]'"
_EXPIRED = (
    "the publisher signs it again with `venvstacks store refresh`, best as a daily job; if it is fresh, "
    "the clock of this machine ({now:%Y-%m-%d %H:%M} UTC) may be wrong"
)
_UNSIGNED = "they are signed with other keys, too few keys, or revoked ones: ask the publisher"
_OTHER_KEYS = (
    "; if its keys are none of Ed25519, as those of most key services and hardware, this machine also needs: "
    "pip install cryptography"
)
_ATTACK = "an attacker, or a mirror that is out of date, may stand between: try again later, or ask the publisher"


@contextmanager
def explain_refusals(store: str) -> Iterator[None]:
    """Turn what TUF's library raises about a store into :class:`TrustError`."""
    try:
        from tuf.api import exceptions  # noqa: PLC0415 - heavy; only what verifies needs it
    except ImportError as error:
        raise TrustError(
            "Signatures cannot be verified: the package tuf is not installed.", hint=_INSTALL
        ) from error
    try:
        yield
    except exceptions.ExpiredMetadataError as error:
        raise expired(store, str(error)) from error
    except exceptions.BadVersionNumberError as error:
        raise TrustError(
            f"{store} is refused: it offers older metadata than it should ({_first(error)}).",
            hint=_ATTACK,
        ) from error
    except exceptions.UnsignedMetadataError as error:
        raise TrustError(
            f"{store} is refused: its metadata lack valid signatures ({_first(error)}).",
            hint=_UNSIGNED if _verifies_all_keys() else _UNSIGNED + _OTHER_KEYS,
        ) from error
    except exceptions.LengthOrHashMismatchError as error:
        raise TrustError(
            f"{store} is refused: its metadata do not belong together ({_first(error)}).", hint=_ATTACK
        ) from error
    except TooLargeError as error:
        raise too_large(store, error.message) from error
    except (exceptions.RepositoryError, exceptions.DownloadError, DocumentError) as error:
        raise TrustError(
            f"{store} is refused: its metadata are damaged ({_first(error)}).", hint=_ATTACK
        ) from error


def _verifies_all_keys() -> bool:
    try:
        return find_spec("cryptography") is not None
    except ImportError:
        return False


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def expired(store: str, what: str) -> TrustError:
    """Return the error of metadata that are too old to be believed."""
    return TrustError(
        f"{store} is refused: its signatures have expired ({what}).", hint=_EXPIRED.format(now=datetime.now(UTC))
    )


def too_large(store: str, what: str) -> TrustError:
    """Return the error of metadata without end."""
    return TrustError(f"{store} is refused: its metadata are larger than any can be ({what}).", hint=_ATTACK)


def unsigned(store: str) -> TrustError:
    """Return the error of a store without metadata."""
    return TrustError(
        f"{store} is no signed store: it has no metadata/timestamp.json.",
        hint="make one with `venvstacks store init`, or check the address",
    )


def incomplete(store: str, name: str) -> TrustError:
    """Return the error of a store that lacks what its metadata lead to."""
    return TrustError(
        f"{store} is refused: it has no {name}, to which its metadata lead.",
        hint="the store is damaged, or a mirror of it is incomplete: try again later, or ask the publisher",
    )


def no_root(store: str) -> TrustError:
    """Return the error of a machine that knows no keys of a store yet."""
    return TrustError(
        f"Nothing is known yet of who may sign what is in {store}.",
        hint="get its root metadata from the publisher and give them with --root: `venvstacks store init` "
        "wrote them as ROOT.json into the keys folder; `store init` and `push` print their hash",
    )
