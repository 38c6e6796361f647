"""Private keys: PEM files, encrypted or not, and keys that stay in key services and hardware."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from venvstacks import files
from venvstacks.errors import TrustError, UsageError

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer, SSlibKey

Secret = Callable[[str], str]
"""Asks for a passphrase or PIN, which what is said needs."""

_ENCRYPTED = b"ENCRYPTED"
_EXTRAS = {scheme: scheme for scheme in ("awskms", "azurekms", "gcpkms", "hsm", "tkey")} | {"hv": "vault"}
_INSTALL = "pip install 'venvstacks[push]'"


def make_private(passphrase: str | None) -> tuple["SSlibKey", bytes]:
    """Return a new Ed25519 key: its public part, and the content of its PEM file."""
    serialization = _serialization()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see there
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415

    private = Ed25519PrivateKey.generate()
    protection = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    content = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    return SSlibKey.from_crypto(private.public_key()), content


def make_pem(path: Path, passphrase: str | None) -> "SSlibKey":
    """Make an Ed25519 key in a PEM file, and return its public part."""
    key, content = make_private(passphrase)
    write_private(path, content)
    return key


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from the first moment on."""
    with files.atomic_path(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            files.write_all(descriptor, content)
        finally:
            os.close(descriptor)


def read_pem(path: Path, secret: Secret) -> "Signer":
    """Read a private key from a PEM file.

    Raises:
        TrustError: It cannot be read, or not with this passphrase.
    """
    serialization = _serialization()
    from securesystemslib.signer import CryptoSigner, SSlibKey  # noqa: PLC0415 - only what signs needs it

    with files.explain_os_errors("read a private key"):
        content = path.read_bytes()
    encrypted = _ENCRYPTED in content.partition(b"\n")[0]
    password = secret(f"The key {path}").encode() if encrypted else None
    try:
        private = serialization.load_pem_private_key(content, password)
        return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))
    except (ValueError, TypeError) as error:
        why = "its passphrase is another one, or it is damaged" if encrypted else "it is damaged"
        raise TrustError(f"The key {path} cannot be read: {why}.") from error


def import_elsewhere(uri: str, secret: Secret) -> tuple[str, "Key"]:
    """Ask a key service or hardware for a public key.

    Returns:
        The URI that leads to the key from now on, and its public part.

    Raises:
        UsageError: The URI is none that securesystemslib knows.
        TrustError: The key cannot be read.
    """
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME  # noqa: PLC0415 - only what signs needs it

    scheme, _, rest = uri.partition(":")
    kind: Any = SIGNER_FOR_URI_SCHEME.get(scheme)
    if scheme == "file2":
        path = Path(rest).absolute()
        return f"file2:{path}", read_pem(path, secret).public_key
    if kind is None or not rest or not hasattr(kind, "import_"):
        known = ", ".join(f"{name}:" for name in SIGNER_FOR_URI_SCHEME)
        raise UsageError(
            f"{uri!r} does not lead to a key.", hint=f"an address of a key begins with one of: {known}"
        )
    try:
        if scheme == "hsm":
            parts = urlsplit(uri)
            label = parse_qs(parts.query).get("label", [None])[0]
            found = kind.import_(int(parts.path), label, secrets_handler=lambda name: secret(f"The {name}"))
        elif scheme == "azurekms":
            parts = urlsplit(uri)
            found = kind.import_((parts.hostname or "").partition(".")[0], parts.path.split("/")[2])
        else:
            found = kind.import_(rest)
    except TrustError:
        raise
    except Exception as error:  # whatever the client of a service raises
        raise _unavailable(uri, error) from error
    stored, key = found
    return stored, key


def open_elsewhere(uri: str, key: "Key", secret: Secret) -> "Signer":
    """Return what signs with a key that is not in a keys folder.

    Raises:
        TrustError: The key cannot be used.
    """
    from securesystemslib.signer import Signer  # noqa: PLC0415 - only what signs needs it

    if uri.startswith("file2:"):
        return read_pem(Path(uri.removeprefix("file2:")), secret)
    try:
        return Signer.from_priv_key_uri(uri, key, lambda name: secret(f"The {name} of {uri}"))
    except TrustError:
        raise
    except Exception as error:  # as above
        raise _unavailable(uri, error) from error


def _unavailable(uri: str, error: Exception) -> TrustError:
    from securesystemslib.exceptions import UnsupportedLibraryError  # noqa: PLC0415 - only what signs needs it

    scheme = uri.partition(":")[0]
    hint = "check the address of the key, and what this machine has to log in to the service"
    if scheme in _EXTRAS and isinstance(error, (ImportError, UnsupportedLibraryError)):
        hint = f"pip install 'securesystemslib[{_EXTRAS[scheme]}]'"
    reason = str(error).strip().rstrip(".") or type(error).__name__
    return TrustError(f"The key {uri} cannot be used: {reason}.", hint=hint)


def _serialization() -> Any:  # noqa: ANN401 - a module
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - machines that only deploy lack it
    except ImportError as error:
        raise TrustError(
            "Signing needs the package cryptography, which is not installed.", hint=_INSTALL
        ) from error
    return serialization
