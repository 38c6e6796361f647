"""The folder of a target machine with the metadata of a store, as last verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from venvstacks import files
from venvstacks.documents import DocumentError, parse_json, read_json
from venvstacks.errors import TrustError
from venvstacks.trust.refusals import expired
from venvstacks.trust.roles import ROLES, ROOT, TARGETS, TIMESTAMP

_VERIFIED = "verified.json"
_ROOTS = "roots"


@dataclass(frozen=True, slots=True)
class Known:
    """Metadata that have been verified.

    Attributes:
        roots: Version -> root metadata, of those that were seen.
        roles: Other role -> metadata, as last seen.
    """

    roots: Mapping[int, bytes]
    roles: Mapping[str, bytes]

    @property
    def root(self) -> bytes:
        """The newest root metadata."""
        return self.roots[max(self.roots)]

    def restarted(self, root: bytes) -> "Known":
        """Return what is known when another root is trusted; signatures decide what else still counts."""
        return Known({root_version(root): root}, self.roles)


class _Signed(msgspec.Struct):
    expires: datetime
    version: int


class _Metadata(msgspec.Struct):
    signed: _Signed


class _Verified(msgspec.Struct, frozen=True):
    """What one run has verified as a whole: role -> hash of the file."""

    sha256: Mapping[str, str]


class TrustFolder:
    """Metadata of a store on this machine.

    Roots are kept in ``roots/VERSION.root.json``, those of the other roles in ``ROLE.json``. ``verified.json`` has
    the hashes of those that belong together, so that what has not changed need not be verified at each poll.

    Args:
        folder: Where they are; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Known:
        """Return what is there; it may be damaged, which verification finds."""
        roots = {}
        for path in (self._folder / _ROOTS).glob(f"*.{ROOT}.json"):
            data = path.read_bytes()
            number = path.name.partition(".")[0]
            if number.isdigit() and _version(data) == int(number):  # a power failure may have damaged it
                roots[int(number)] = data
        paths = {role: self._folder / f"{role}.json" for role in ROLES if role != ROOT}
        return Known(roots, {role: path.read_bytes() for role, path in paths.items() if path.is_file()})

    def write(self, known: Known) -> None:
        """Keep what has been verified, and nothing else."""
        for path in (self._folder / _ROOTS).glob("*"):
            if path.name not in {_root_name(version) for version in known.roots}:
                path.unlink()
        for version, data in known.roots.items():
            files.write_bytes(self._folder / _ROOTS / _root_name(version), data)
        for role in ROLES:
            if role == ROOT:
                continue
            if role in known.roles:
                files.write_bytes(self._folder / f"{role}.json", known.roles[role])
            else:
                (self._folder / f"{role}.json").unlink(missing_ok=True)

    def write_verified(self, known: Known) -> None:
        """Note that all that is kept belongs together and has been verified."""
        text = files.canonical_json({"sha256": _hashes(known)})
        files.write_text(self._folder / _VERIFIED, text)

    def unchanged(self, timestamp: bytes | None, known: Known, now: datetime, store: str) -> bytes | None:
        """Return the targets that were verified together with a timestamp; None if they were not.

        Raises:
            TrustError: They have expired meanwhile.
        """
        if timestamp is None or known.roles.get(TIMESTAMP) != timestamp:
            return None
        try:
            verified = read_json(self._folder / _VERIFIED, _Verified).sha256
        except (FileNotFoundError, DocumentError):
            return None
        if verified != _hashes(known):
            return None
        for role, data in {ROOT: known.root, **known.roles}.items():
            if parse_json(data, _Metadata).signed.expires <= now:
                raise expired(store, f"{role} metadata")
        return known.roles[TARGETS]


def _hashes(known: Known) -> dict[str, str]:
    return {role: files.sha256(data) for role, data in {ROOT: known.root, **known.roles}.items()}


def _root_name(version: int) -> str:
    return f"{version}.{ROOT}.json"


def _version(data: bytes) -> int | None:
    try:
        return parse_json(data, _Metadata).signed.version
    except DocumentError:
        return None


def root_version(root: bytes) -> int:
    """Return the version of root metadata that somebody gave.

    Raises:
        TrustError: They are none.
    """
    version = _version(root)
    if version is None:
        raise TrustError(
            "What was given as root metadata is none.",
            hint="give the file ROOT.json that `venvstacks store init` wrote into the keys folder",
        )
    return version
