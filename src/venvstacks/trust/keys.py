"""The keys folder of a publisher: ``keys.json``, private keys in PEM files, and ``ROOT.json``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from venvstacks import files
from venvstacks.documents import DocumentError, Numbered, read_json
from venvstacks.errors import TrustError, UsageError
from venvstacks.file_names import is_file_name
from venvstacks.trust import private_keys
from venvstacks.trust.roles import ROLES

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer
    from tuf.api.metadata import Root

DOCUMENT = "keys.json"
ROOT_FILE = "ROOT.json"
"""In a keys folder, the newest root metadata that its owner has seen; clients start from it."""

PUBLIC_SUFFIX = ".public.json"
"""What the files end with that holders of keys give to each other."""

FORMAT = 1
_DIGITS = 8  # of a key ID, in the names of files

Passphrase = str | Callable[[], str] | None


class KeyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key that a publisher may have.

    Attributes:
        keyid: What metadata call it.
        roles: What it signs in a new store; later the root metadata say so.
        public: The public key, as in TUF metadata.
        file: Name of the PEM file with the private key, in the keys folder.
        uri: Where else the private key is, for securesystemslib: ``awskms:...``, ``hsm:...``.
    """

    keyid: str
    roles: tuple[str, ...]
    public: Mapping[str, Any]
    file: str = ""
    uri: str = ""


class KeyDocument(msgspec.Struct, frozen=True):
    """What ``keys.json`` holds.

    Attributes:
        format: Version of this form.
        keys: The keys; there may be no private key to some of them on this machine.
    """

    format: int
    keys: tuple[KeyRecord, ...]


class _PublicFile(msgspec.Struct, frozen=True):
    keyid: str
    public: Mapping[str, Any]


@dataclass(frozen=True)
class Signers:
    """The private keys of a keys folder, each read when something is signed with it.

    Attributes:
        folder: The keys folder.
        records: What is known of each key.
    """

    folder: Path
    records: tuple[KeyRecord, ...]
    passphrase: Passphrase = None
    _opened: dict[str, "Signer"] = field(default_factory=dict)

    @property
    def root(self) -> bytes | None:
        """The newest root metadata that the publisher has seen; None in a folder of keys for a new store."""
        try:
            return (self.folder / ROOT_FILE).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise files.explain_os_error(error, "read the root metadata of a store") from error

    def remember_root(self, root: bytes) -> None:
        """Write down the newest root metadata, if the folder can be written to."""
        try:
            files.write_bytes(self.folder / ROOT_FILE, root)
        except OSError:  # secrets of build machines are read-only; an older root leads to the newer ones
            return

    def public(self, record: KeyRecord) -> "Key":
        """Return the public part of a key."""
        from securesystemslib.signer import Key  # noqa: PLC0415 - only what signs needs it

        return Key.from_dict(record.keyid, dict(record.public))

    def of_role(self, role: str) -> list["Key"]:
        """Return the keys that sign for a role in a new store."""
        return [self.public(record) for record in self.records if role in record.roles]

    def key(self, keyid: str) -> "Key":
        """Return the public part of the key with an ID."""
        return self.public(self._record(keyid))

    def holds(self, keyid: str) -> bool:
        """Return whether there is a private key, in a file or elsewhere."""
        return bool(self.where(keyid))

    def where(self, keyid: str) -> str:
        """Return the file or the URI of a private key; empty if it is not here."""
        record = self._find(keyid)
        if record is None or not record.file:
            return record.uri if record else ""
        path = self.folder / record.file
        return str(path) if path.is_file() else ""

    def signers(self, root: "Root", role: str) -> list["Signer"]:
        """Return those that may sign for a role according to root metadata, and whose private keys are here."""
        return [self.signer(keyid) for keyid in root.roles[role].keyids if self.holds(keyid)]

    def signer(self, keyid: str) -> "Signer":
        """Return the signer with a key.

        Raises:
            TrustError: The private key cannot be read.
        """
        if keyid not in self._opened:
            self._opened[keyid] = self._open(self._record(keyid))
        return self._opened[keyid]

    def _record(self, keyid: str) -> KeyRecord:
        record = self._find(keyid)
        if record is None:
            raise TrustError(f"{self.folder} has no key {keyid}.")
        return record

    def _find(self, keyid: str) -> KeyRecord | None:
        return next((record for record in self.records if record.keyid == keyid), None)

    def _open(self, record: KeyRecord) -> "Signer":
        key = self.public(record)
        if not record.file:
            return private_keys.open_elsewhere(record.uri, key, self._secret)
        path = self.folder / record.file
        signer = private_keys.read_pem(path, self._secret)
        if signer.public_key.keyid != record.keyid:
            raise TrustError(f"{path} is not the key {record.keyid} that {self.folder / DOCUMENT} names.")
        return signer

    def _secret(self, what: str) -> str:
        secret = self.passphrase() if callable(self.passphrase) else self.passphrase
        if not secret:
            raise TrustError(
                f"{what} needs a passphrase, and none was given.",
                hint="set VENVSTACKS_KEY_PASSPHRASE, or run the command in a terminal",
            )
        return secret

    def with_record(self, record: KeyRecord) -> "Signers":
        """Add a key to the folder, or what is known of it."""
        others = tuple(other for other in self.records if other.keyid != record.keyid)
        changed = replace(self, records=(*others, record))
        _write_document(self.folder, changed.records)
        return changed


def make_keys(folder: Path, *, passphrase: str | None = None, separate: bool = False) -> Signers:
    """Make Ed25519 keys in a folder: one for all roles, or one for each; keys that are there already are used.

    Raises:
        TrustError: A key is there that cannot be read.
        FilesystemError: The folder cannot be written to.
    """
    if (folder / DOCUMENT).exists():
        return load_signers(folder, passphrase)
    names = {role: (role,) for role in ROLES} if separate else {"key": ROLES}
    records = []
    given = Signers(folder, (), passphrase)
    with files.explain_os_errors(f"make keys in {folder}"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, roles in names.items():
            path = folder / f"{name}.pem"
            # one that an interrupted run has left
            signer = private_keys.read_pem(path, given._secret) if path.exists() else None  # noqa: SLF001
            key = signer.public_key if signer else private_keys.make_pem(path, passphrase)
            records.append(KeyRecord(key.keyid, roles, key.to_dict(), file=path.name))
        _write_document(folder, records)
    return load_signers(folder, passphrase)


def add_key(signers: Signers, *, passphrase: str | None, name: str = "key") -> tuple[Signers, str]:
    """Make one more Ed25519 key in a keys folder; return the keys, and the new key's ID."""
    with files.explain_os_errors(f"make a key in {signers.folder}"):
        signer, content = private_keys.make_private(passphrase)
        path = signers.folder / f"{name}-{signer.keyid[:_DIGITS]}.pem"
        private_keys.write_private(path, content)
        return signers.with_record(KeyRecord(signer.keyid, (), signer.to_dict(), file=path.name)), signer.keyid


def begin_folder(folder: Path) -> Signers:
    """Return the keys of a folder, which is made without keys if it is not there."""
    if not (folder / DOCUMENT).exists():
        with files.explain_os_errors(f"make the keys folder {folder}"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_document(folder, ())
    return load_signers(folder)


def write_public(signers: Signers, keyid: str) -> Path:
    """Write the public part of a key into a file of the keys folder, for whoever adds it to a store."""
    path = signers.folder / f"{keyid[:_DIGITS]}{PUBLIC_SUFFIX}"
    text = files.canonical_json({"keyid": keyid, "public": signers.key(keyid).to_dict()})
    with files.explain_os_errors("write a public key"):
        files.write_text(path, text)
    return path


def add_public(signers: Signers, path: Path) -> tuple[Signers, str]:
    """Take the public key of somebody else into a keys folder; return the keys, and its ID.

    Raises:
        UsageError: The file holds no public key.
    """
    from securesystemslib.formats import encode_canonical  # noqa: PLC0415 - only what signs needs it
    from securesystemslib.signer import Key  # noqa: PLC0415

    try:
        found = read_json(path, _PublicFile)
        Key.from_dict(found.keyid, dict(found.public))
        if files.sha256(str(encode_canonical(dict(found.public))).encode()) != found.keyid:
            raise ValueError("its ID is not that of the key")  # noqa: TRY301 - as for what else is wrong
    except (DocumentError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} holds no public key: {error}.", hint="`store keys make` writes such a file"
        ) from error
    except OSError as error:
        raise files.explain_os_error(error, "read a public key") from error
    return signers.with_record(KeyRecord(found.keyid, (), found.public)), found.keyid


def add_elsewhere(signers: Signers, uri: str) -> tuple[Signers, str]:
    """Take a key of a key service or hardware into a keys folder; return the keys, and its ID."""
    stored, key = private_keys.import_elsewhere(uri, signers._secret)  # noqa: SLF001 - the same module
    return signers.with_record(KeyRecord(key.keyid, (), key.to_dict(), uri=stored)), key.keyid


def use_keys(folder: Path, uris: Sequence[str], passphrase: Passphrase = None) -> Signers:
    """Make a keys folder without private keys: they are where securesystemslib's URIs lead.

    Args:
        folder: The keys folder.
        uris: One for all roles, or one for each of root, targets, snapshot and timestamp.
        passphrase: PIN of a hardware module.

    Raises:
        UsageError: There are two or three of them, or one is none that is known.
        TrustError: A key cannot be read.
    """
    if len(uris) not in (1, len(ROLES)):
        raise UsageError(
            f"{len(uris)} keys cannot sign for {len(ROLES)} roles.",
            hint=f"give one key for all roles, or one for each, in this order: {', '.join(ROLES)}",
        )
    by_uri: dict[str, list[str]] = {}
    for role, uri in zip(ROLES, uris if len(uris) > 1 else [*uris] * len(ROLES), strict=True):
        by_uri.setdefault(uri, []).append(role)
    pending = Signers(folder, (), passphrase)
    records = []
    for uri, roles in by_uri.items():
        stored, key = private_keys.import_elsewhere(uri, pending._secret)  # noqa: SLF001 - the same module
        records.append(KeyRecord(key.keyid, tuple(roles), key.to_dict(), uri=stored))
    with files.explain_os_errors(f"make the keys folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_document(folder, records)
    return replace(pending, records=tuple(records))


def load_signers(folder: Path, passphrase: Passphrase = None) -> Signers:
    """Read a keys folder; private keys are read when something is signed.

    Args:
        folder: The keys folder.
        passphrase: Of its PEM files, or PIN of a hardware module; a function is called if it is needed.

    Raises:
        TrustError: The folder has no keys, or its document is damaged.
    """
    path = folder / DOCUMENT
    try:
        if read_json(path, Numbered).format > FORMAT:
            raise TrustError(f"{path} was written by a newer venvstacks.", hint="use that version, or a newer one")
        document = read_json(path, KeyDocument)
    except FileNotFoundError:
        raise TrustError(
            f"{folder} is no keys folder: it has no {DOCUMENT}.",
            hint="name the folder that `venvstacks store init STORE --keys DIR` made",
        ) from None
    except DocumentError as error:
        raise TrustError(f"{path} is damaged: {error}.") from error
    except OSError as error:
        raise files.explain_os_error(error, "read the keys of a store") from error
    for record in document.keys:
        if record.file and not is_file_name(record.file):
            raise TrustError(f"{path} is damaged: {record.file!r} is no file name.")
    return Signers(folder, document.keys, passphrase)


def _write_document(folder: Path, records: Iterable[KeyRecord]) -> None:
    document = KeyDocument(FORMAT, tuple(records))
    files.write_text(folder / DOCUMENT, files.canonical_json(msgspec.to_builtins(document)))
