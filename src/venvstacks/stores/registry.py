"""A store in a repository of an OCI registry, beside images, with the logins that people have for it.

A registry knows no conditions: what was written is read again. See :mod:`.registry_format` for how files are kept.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from venvstacks.errors import ConflictError, NotInStoreError, StoreError
from venvstacks.stores import registry_format
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.interface import BLOBS, Blob, Listed, Stored, Traffic, blob_hash, blob_name
from venvstacks.stores.names import checked_name, checked_prefix
from venvstacks.stores.registry_client import RegistryClient
from venvstacks.stores.registry_format import Descriptor, Manifest
from venvstacks.stores.registry_names import (
    Repository,
    file_tag,
    is_hashed,
    is_of_platform,
    parse_registry,
    platform_tag,
    release_tag,
    tagged_file,
)

_MOST_ATTEMPTS = 5
_UNDELETABLE = (
    "let the registry allow it (docker-registry: REGISTRY_STORAGE_DELETE_ENABLED=true), or delete it there"
)


class RegistryStore:
    """A store in a repository.

    Attributes:
        address: ``oci://HOST/REPOSITORY``.
        traffic: What was asked of the registry; requests for tokens are not counted.
        creates_once: False.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        environ: Mapping[str, str] = os.environ,
        patience: Patience | None = None,
    ) -> None:
        self.address = repository.address
        self.traffic = Traffic()
        self.creates_once = False
        self._client = RegistryClient(repository, self.traffic, environ=environ, patience=patience)

    def read(self, name: str, largest: int) -> Stored:
        """Return the whole content of a small file, verified by its digest."""
        if digits := blob_hash(checked_name(name)):
            return Stored(self._client.blob(f"sha256:{digits}", largest), f"sha256:{digits}")
        layer = self._layer(name)
        if layer.size > largest:
            raise StoreError(f"{name!r} of {self.address} has {layer.size} bytes; at most {largest} are expected.")
        content = registry_format.embedded(layer)
        return Stored(self._client.blob(layer.digest, layer.size) if content is None else content, layer.digest)

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Return part of a file in pieces; a whole one is verified by its digest at its end."""
        digits = blob_hash(checked_name(name))
        digest = f"sha256:{digits}" if digits else self._layer(name).digest
        hashed = hashlib.sha256()
        for piece in self._client.stream_blob(digest, start, size):
            if start == 0 and size is None:
                hashed.update(piece)
            yield piece
        if start == 0 and size is None and f"sha256:{hashed.hexdigest()}" != digest:
            raise StoreError(
                f"{name!r} of {self.address} arrived with other bytes than the registry has by its digest.",
                hint="something between this machine and the registry changes answers",
            )

    def size(self, name: str) -> int | None:
        """Return the bytes that a file has; None if there is no such file."""
        if digits := blob_hash(checked_name(name)):
            return self._client.blob_size(f"sha256:{digits}")
        try:
            return self._layer(name).size
        except NotInStoreError:
            return None

    def create(self, name: str, content: bytes | Path) -> bool:
        """Write a file unless there is one of that name; it appears whole or not at all."""
        if self.size(name) is not None:
            return False
        if digits := blob_hash(name):
            self._client.upload(f"sha256:{digits}", content)
            return True
        data = content if isinstance(content, bytes) else content.read_bytes()
        self._write(name, data)
        return self.read(name, max(len(data), registry_format.LARGEST)).data == data

    def replace(self, name: str, data: bytes, tag: str | None) -> None:
        """Write a small file in the place of the one with a tag; with None, where there is none."""
        if self._tag(name) != tag:
            raise ConflictError(f"{name!r} of {self.address} was changed by another run.", hint="run this again")
        self._write(name, data)
        if self._tag(name) != registry_format.digest(data):
            raise ConflictError(f"{name!r} of {self.address} was replaced by another run.", hint="run this again")

    def names(self, prefix: str) -> Iterator[Listed]:
        """List the files whose names begin so; of blobs, those that releases refer to."""
        checked_prefix(prefix)
        tags = list(self._client.tags())
        if prefix.startswith(f"{BLOBS}/") or f"{BLOBS}/".startswith(prefix):
            yield from (blob for blob in self._blobs(tags) if blob.name.startswith(prefix))
        for tag in tags:
            name = tagged_file(tag)
            if (name is not None and name.startswith(prefix)) or is_hashed(tag):
                yield from (file for file in self._listed(tag) if file.name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        A blob that may not be deleted stays until the registry collects what no manifest refers to.
        """
        if digits := blob_hash(checked_name(name)):
            self._client.delete(f"blobs/sha256:{digits}")
        elif found := self._client.manifest(file_tag(name)):
            self._delete_manifest(found[1], name)

    def keep_together(self, release: str, platforms: Mapping[str, Sequence[Blob]]) -> None:
        """Write the image index of a release; platforms that it has already are kept."""
        described = {name: self._put_platform(release, name, blobs) for name, blobs in platforms.items()}
        for _ in range(_MOST_ATTEMPTS):
            there = self._release(release)
            if there and all(
                name in there and there[name].digest == new.digest for name, new in described.items()
            ):
                return
            index = registry_format.release_index(release, {**there, **described}, _now())
            self._client.put_manifest(release_tag(release), registry_format.encode(index), registry_format.INDEX)
        raise ConflictError(
            f"The index of release {release} in {self.address} is written by other runs at the same time.",
            hint="run this again",
        )

    def forget_together(self, release: str) -> None:
        """Delete the image index of a release, and its manifests."""
        found = self._client.manifest(release_tag(release))
        if found is None or not registry_format.is_release(found[0]):
            return
        self._delete_manifest(found[1], f"release {release}")
        for descriptor in found[0].manifests:
            self._delete_manifest(descriptor.digest, f"release {release}")

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    # ---- files

    def _layer(self, name: str) -> Descriptor:
        """Return what the registry has as the content of a file."""
        found = self._client.manifest(file_tag(name))
        if found is None:
            raise NotInStoreError(f"{self.address} has no file {name!r}.")
        manifest = found[0]
        is_ours = (
            manifest.artifact_type == registry_format.FILE_TYPE
            and manifest.annotations.get(registry_format.NAME) == name
        )
        if not is_ours or len(manifest.layers) != 1:
            raise StoreError(
                f"{self.address} has something else under the tag {file_tag(name)}, where {name!r} should be.",
                hint="use a repository for each store, and nothing else in it",
            )
        return manifest.layers[0]

    def _tag(self, name: str) -> str | None:
        try:
            return self._layer(checked_name(name)).digest
        except NotInStoreError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        manifest = registry_format.file_manifest(name, data, _now())
        for content in (registry_format.EMPTY, data):
            digest = registry_format.digest(content)
            if self._client.blob_size(digest) is None:
                self._client.upload(digest, content)
        self._client.put_manifest(file_tag(name), registry_format.encode(manifest), registry_format.MANIFEST)

    def _listed(self, tag: str) -> Iterator[Listed]:
        found = self._client.manifest(tag)
        if found and found[0].artifact_type == registry_format.FILE_TYPE and len(found[0].layers) == 1:
            manifest = found[0]
            name = manifest.annotations.get(registry_format.NAME, "")
            if file_tag(name) == tag:
                yield Listed(name, manifest.layers[0].size, _created(manifest))

    def _delete_manifest(self, digest: str, what: str) -> None:
        if not self._client.delete(f"manifests/{digest}"):
            raise StoreError(f"{self.address} does not let {what!r} be deleted.", hint=_UNDELETABLE)

    # ---- releases

    def _put_platform(self, release: str, platform: str, blobs: Sequence[Blob]) -> Descriptor:
        encoded = registry_format.encode(registry_format.platform_manifest(release, platform, blobs))
        empty = registry_format.digest(registry_format.EMPTY)
        if self._client.blob_size(empty) is None:
            self._client.upload(empty, registry_format.EMPTY)
        self._client.put_manifest(platform_tag(release, platform), encoded, registry_format.MANIFEST)
        return registry_format.platform_descriptor(platform, encoded)

    def _release(self, release: str) -> dict[str, Descriptor]:
        """Return the platforms of a release that its index lists."""
        found = self._client.manifest(release_tag(release))
        if found is None:
            return {}
        if not registry_format.is_release(found[0]):
            raise StoreError(
                f"{self.address} has something else under the tag {release_tag(release)}, where release {release}"
                " should be.",
                hint="use a repository for each store, and nothing else in it",
            )
        return {entry.annotations.get(registry_format.PLATFORM, ""): entry for entry in found[0].manifests}

    def _blobs(self, tags: Sequence[str]) -> Iterator[Listed]:
        """Return the blobs that releases refer to, each once, with the time of the latest of these."""
        found: dict[str, Listed] = {}
        for tag in tags:
            is_other = tagged_file(tag) is not None or is_of_platform(tag)
            release = None if is_other else self._client.manifest(tag)
            if release is None or not registry_format.is_release(release[0]):
                continue
            modified = _created(release[0])
            for descriptor in release[0].manifests:
                platform = self._client.manifest(descriptor.digest)
                for layer in platform[0].layers if platform else ():
                    name = blob_name(layer.digest.removeprefix("sha256:"))
                    earlier = found[name].modified if name in found else 0.0
                    found[name] = Listed(name, layer.size, max(modified, earlier))
        yield from found.values()


def open_registry(address: str, *, environ: Mapping[str, str] = os.environ) -> RegistryStore:
    """Open a repository; nothing is asked of it yet.

    Raises:
        UsageError: It is no address of a repository.
    """
    return RegistryStore(parse_registry(address), environ=environ)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _created(manifest: Manifest) -> float:
    try:
        return datetime.fromisoformat(manifest.annotations.get(registry_format.CREATED, "")).timestamp()
    except ValueError:
        return 0.0
