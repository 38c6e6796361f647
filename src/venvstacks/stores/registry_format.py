"""What a store is in an OCI registry: manifests of types of our own, with nothing that other tools cannot copy.

* Blobs of the store are blobs of the registry.
* Every other file is an artifact: a manifest with the file as its only layer. Small files are also part of the
  manifest (``data`` of the descriptor), so that one request reads them.
* A release is an image index with a manifest for each platform, whose layers are the blobs that the release needs:
  a registry deletes what no manifest refers to.
"""

import base64
from collections.abc import Mapping, Sequence

import msgspec

from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import StoreError
from venvstacks.files import sha256
from venvstacks.platforms.targets import TARGETS
from venvstacks.stores.interface import Blob

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
FILE_TYPE = "application/vnd.venvstacks.file.v1"
"""Artifact type of a file of a store, and media type of its content."""
RELEASE_TYPE = "application/vnd.venvstacks.release.v1"
"""Artifact type of a release."""
PLATFORM_TYPE = "application/vnd.venvstacks.platform.v1"
"""Artifact type of a release on one platform."""
BLOB_TYPE = "application/vnd.venvstacks.blob.v1"
"""Media type of an archive, an index or a delta."""
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
"""The configuration of all artifacts, as OCI has it for those without."""

NAME = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"
VERSION = "org.opencontainers.image.version"
PLATFORM = "dev.venvstacks.platform"
LARGEST = 4 << 20
"""Bytes of the largest manifest that registries accept."""
_LARGEST_DATA = 64 << 10
_SYSTEMS = {"linux": "linux", "macosx": "darwin", "win": "windows"}
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class OciPlatform(msgspec.Struct, frozen=True, omit_defaults=True):
    """A platform, as registries name it."""

    architecture: str = ""
    os: str = ""


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What a manifest refers to."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    platform: OciPlatform | None = None
    annotations: dict[str, str] = {}
    data: str = ""


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A manifest, or an image index, which has manifests in place of layers."""

    schema_version: int
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] = {}


def digest(content: bytes) -> str:
    """Return the digest of a content."""
    return f"sha256:{sha256(content)}"


def encode(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest."""
    return msgspec.json.encode(manifest)


def decode(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        StoreError: It is damaged.
    """
    try:
        return parse_json(data, Manifest)
    except DocumentError as error:
        raise StoreError(f"{where}: the manifest is damaged: {error}.") from None


def file_manifest(name: str, content: bytes, created: str) -> Manifest:
    """Return the manifest of a file."""
    small = len(content) <= _LARGEST_DATA
    layer = Descriptor(
        FILE_TYPE,
        digest(content),
        len(content),
        annotations={NAME: name.rpartition("/")[2]},
        data=base64.b64encode(content).decode() if small else "",
    )
    return Manifest(2, MANIFEST, FILE_TYPE, _empty(), (layer,), annotations={NAME: name, CREATED: created})


def platform_manifest(release: str, platform: str, blobs: Sequence[Blob]) -> Manifest:
    """Return the manifest of a release on one platform."""
    layers = {blob.sha256: Descriptor(BLOB_TYPE, f"sha256:{blob.sha256}", blob.size) for blob in blobs}
    annotations = {VERSION: release, PLATFORM: platform}
    return Manifest(
        2, MANIFEST, PLATFORM_TYPE, _empty(), tuple(layers[key] for key in sorted(layers)), annotations=annotations
    )


def release_index(release: str, platforms: Mapping[str, Descriptor], created: str) -> Manifest:
    """Return the image index of a release."""
    manifests = tuple(platforms[name] for name in sorted(platforms))
    return Manifest(2, INDEX, RELEASE_TYPE, manifests=manifests, annotations={VERSION: release, CREATED: created})


def platform_descriptor(platform: str, encoded: bytes) -> Descriptor:
    """Return what an image index says about the manifest of a platform."""
    target = TARGETS.get(platform)
    named = (
        OciPlatform(_ARCHITECTURES[target.arch], _SYSTEMS[target.os])
        if target
        else OciPlatform("unknown", "unknown")
    )
    return Descriptor(
        MANIFEST,
        digest(encoded),
        len(encoded),
        artifact_type=PLATFORM_TYPE,
        platform=named,
        annotations={PLATFORM: platform},
    )


def is_release(manifest: Manifest) -> bool:
    """Return whether a manifest is the index of a release; copying may have left out its type."""
    return manifest.artifact_type == RELEASE_TYPE or any(
        PLATFORM in descriptor.annotations for descriptor in manifest.manifests
    )


def is_content(descriptor: Descriptor, content: bytes) -> bool:
    """Return whether a content is what a descriptor describes."""
    return len(content) == descriptor.size and digest(content) == descriptor.digest


def embedded(descriptor: Descriptor) -> bytes | None:
    """Return the content that is part of a descriptor, if it is there and right."""
    if not descriptor.data and descriptor.size:
        return None
    try:
        content = base64.b64decode(descriptor.data, validate=True)
    except ValueError:
        return None
    return content if is_content(descriptor, content) else None


def _empty() -> Descriptor:
    return Descriptor(EMPTY_TYPE, digest(EMPTY), len(EMPTY), data=base64.b64encode(EMPTY).decode())
