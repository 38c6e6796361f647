"""Metadata that an attacker writes into a store, with the keys that were stolen."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from fakes.signed_stores import SignedStore

ROLES = ("root", "targets", "snapshot", "timestamp")


class Forger:
    """Changes metadata of a store, and signs them with some keys.

    Attributes:
        own: A key that no root names.
    """

    def __init__(self, made: SignedStore) -> None:
        self.made = made
        self.store = made.store
        self.own = CryptoSigner.generate_ed25519()

    def stolen(self, role: str) -> Signer:
        """Return the key of a role."""
        return self.made.signers.signers(self.root().signed, role)[0]

    def root(self) -> Metadata[Root]:
        """Return the newest root."""
        number = max(int(name.split("/")[1].split(".")[0]) for name in self.store.contents if ".root." in name)
        return Metadata[Root].from_bytes(self.store.contents[f"metadata/{number}.root.json"])

    def timestamp(self) -> Metadata[Timestamp]:
        return Metadata[Timestamp].from_bytes(self.store.contents["metadata/timestamp.json"])

    def snapshot(self) -> Metadata[Snapshot]:
        number = self.timestamp().signed.snapshot_meta.version
        return Metadata[Snapshot].from_bytes(self.store.contents[f"metadata/{number}.snapshot.json"])

    def targets(self) -> Metadata[Targets]:
        number = self.snapshot().signed.meta["targets.json"].version
        return Metadata[Targets].from_bytes(self.store.contents[f"metadata/{number}.targets.json"])

    def name_of(self, role: str) -> str:
        """Return the name of the newest metadata of a role."""
        if role == "timestamp":
            return "metadata/timestamp.json"
        return f"metadata/{getattr(self, role)().signed.version}.{role}.json"

    def put(self, name: str, data: bytes) -> None:
        self.store.contents[name] = data

    def sign(self, metadata: Metadata[Any], signers: Iterable[Signer]) -> bytes:
        """Sign anew."""
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def write(
        self,
        role: str,
        change: Callable[[Any], None],
        *signers: Signer,
        below: bool = True,
    ) -> None:
        """Change metadata of a role, sign them, and let the roles below lead there with the keys that were stolen.

        Args:
            role: The role.
            change: Changes the signed part.
            signers: Sign it; by default the role's own key.
            below: Whether snapshot and timestamp, signed with their own keys, lead to it.
        """
        metadata = getattr(self, role)()
        metadata.signed.version += 1
        change(metadata.signed)
        data = self.sign(metadata, signers or [self.stolen(role)])
        version = metadata.signed.version
        name = "metadata/timestamp.json" if role == "timestamp" else f"metadata/{version}.{role}.json"
        snapshot, timestamp = self.snapshot(), self.timestamp()
        self.put(name, data)
        if below and role == "targets":
            snapshot.signed.version += 1
            snapshot.signed.meta["targets.json"] = MetaFile.from_data(version, data, ["sha256"])
            version, data = snapshot.signed.version, self.sign(snapshot, [self.stolen("snapshot")])
            self.put(f"metadata/{version}.snapshot.json", data)
        if below and role in ("targets", "snapshot"):
            timestamp.signed.version += 1
            timestamp.signed.snapshot_meta = MetaFile.from_data(version, data, ["sha256"])
            self.put("metadata/timestamp.json", self.sign(timestamp, [self.stolen("timestamp")]))

    def evil_target(self, targets: Targets) -> None:
        """Let targets lead to another release file."""
        for path in targets.targets:
            old = targets.targets[path]
            content = b'{"version": "evil"}'
            targets.targets[path] = TargetFile.from_dict(
                {**TargetFile.from_data(path, content, ["sha256"]).to_dict(), "custom": old.custom}, path
            )

    def next_root(self, change: Callable[[Root], None], signers: Iterable[Signer], *, skip: int = 1) -> None:
        """Write a next root."""
        root = self.root()
        name = root.signed.version + skip
        root.signed.version += skip
        change(root.signed)
        self.put(f"metadata/{name}.root.json", self.sign(root, signers))


def long_ago(signed: Any) -> None:
    """Let metadata have expired."""
    signed.expires = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)
