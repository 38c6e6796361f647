"""The release file: what a release is on one platform (see the reference, *Releases*)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from venvstacks import files
from venvstacks.archives.index import ContentHash, Count, Sha256, describe_schema
from venvstacks.documents import DocumentError, Numbered, parse_json
from venvstacks.errors import ReleaseError, UsageError
from venvstacks.file_names import control_characters, is_file_name, windows_problem
from venvstacks.stores.interface import blob_name

FORMAT = 1
"""Version of the form; readers refuse newer ones."""

LARGEST_RELEASE = 16 << 20
"""Bytes of the largest release file that is read."""

ID_DIGITS = 32
"""How many digits of a closure ID name a layer's folder in a deployment."""

_LONGEST_VERSION = 128
_NOT_IN_VERSIONS = re.compile(r"[/\\\s]|^\.")


class BlobReference(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """A file among the store's blobs.

    Attributes:
        sha256: Hash of its content, 64 hexadecimal digits.
        size: In bytes.
    """

    sha256: Sha256
    size: Count

    @property
    def name(self) -> str:
        """Its name in a store."""
        return blob_name(self.sha256)


class DeltaReference(msgspec.Struct, frozen=True):
    """A delta among the store's blobs.

    Attributes:
        sha256: Hash of its content, 64 hexadecimal digits.
        size: In bytes.
        from_content_hash: Content hash of the layer that it is applied to.
    """

    sha256: Sha256
    size: Count
    from_content_hash: ContentHash

    @property
    def name(self) -> str:
        """Its name in a store."""
        return blob_name(self.sha256)


class ReleaseLayer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A layer of a release.

    Attributes:
        layer_name: Build name.
        install_target: Name of its folder.
        kind: ``runtime``, ``framework`` or ``application``.
        below: Install targets of the layers below it, in path order: frameworks, then the runtime.
        content_hash: Of everything that unpacking its archive makes.
        closure_id: Hash of the layer and all layers below it, 64 hexadecimal digits.
        archive: Its archive.
        archive_name: File name of the archive, which names its format.
        index: The archive's index.
        deltas: What leads to it from earlier states of the layer.
        launch_module: Import name of what an application runs.
        commands: Names of the programs beside an application's interpreter: its own, and commands of packages.
    """

    layer_name: str
    install_target: str
    kind: str
    below: tuple[str, ...] = ()
    content_hash: ContentHash
    closure_id: Sha256
    archive: BlobReference
    archive_name: str
    index: BlobReference
    deltas: tuple[DeltaReference, ...] = ()
    launch_module: str = ""
    commands: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The first digits of the closure ID, which name the layer's folder in deployments."""
        return self.closure_id[:ID_DIGITS]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a release is on one platform.

    Attributes:
        format: Version of this form.
        version: Name of the release, free text without slashes and spaces.
        platform: Target name.
        layers: Each after those below it.
    """

    format: Count
    version: str
    platform: str
    layers: tuple[ReleaseLayer, ...]

    def layer(self, install_target: str) -> ReleaseLayer:
        """Return the layer with an install target."""
        return next(layer for layer in self.layers if layer.install_target == install_target)

    @property
    def applications(self) -> Mapping[str, ReleaseLayer]:
        """The applications: name without the prefix ``app-`` -> layer."""
        found = (layer for layer in self.layers if layer.kind == "application")
        return {layer.layer_name.removeprefix("app-"): layer for layer in found}

    def closure(self, install_targets: Iterable[str]) -> tuple[ReleaseLayer, ...]:
        """Return layers and all layers below them, in the order of the release."""
        wanted = set(install_targets)
        for layer in self.layers:
            if layer.install_target in wanted:
                wanted.update(layer.below)
        return tuple(layer for layer in self.layers if layer.install_target in wanted)


def closure_id(install_target: str, content_hash: str, below: Sequence[tuple[str, str]]) -> str:
    """Hash a layer and all layers below it: 64 hexadecimal digits.

    Args:
        install_target: Of the layer.
        content_hash: Of the layer.
        below: Install target and content hash of each layer below, in path order.
    """
    return files.sha256(msgspec.json.encode([[install_target, content_hash], *map(list, below)]))


def encode_release(release: Release) -> bytes:
    """Return the content of a release file: the same for equal releases."""
    return files.canonical_json(msgspec.to_builtins(release)).encode()


def release_schema() -> dict[str, Any]:
    """Return the JSON Schema of a release file."""
    return describe_schema(
        "A venvstacks release on one platform", Release, ReleaseLayer, BlobReference, DeltaReference
    )


def decode_release(data: bytes, version: str, platform: str) -> Release:
    """Read a release file, and check that it describes this release, in itself without contradictions.

    Raises:
        ReleaseError: It is damaged, of a newer version, or describes something else.
    """
    try:
        form = parse_json(data, Numbered).format
        if form > FORMAT:
            raise ReleaseError(
                f"Release {version} has format {form}, and this venvstacks knows formats up to {FORMAT}.",
                hint="use the version of venvstacks that pushed it, or a newer one",
            )
        release = parse_json(data, Release)
        _check(release, version, platform)
    except (DocumentError, ValueError) as error:
        raise ReleaseError(
            f"The file of release {version} for {platform} is refused: {error}.",
            hint="the publisher has to push this release again, under another version",
        ) from error
    return release


def _check(release: Release, version: str, platform: str) -> None:
    if (release.version, release.platform) != (version, platform):
        raise ValueError(f"it describes release {release.version} for {release.platform}")
    seen: dict[str, ReleaseLayer] = {}
    for layer in release.layers:
        target = layer.install_target
        if not is_file_name(target) or target.startswith(".") or control_characters(target) or target in seen:
            raise ValueError(f"{target!r} cannot be the folder of a layer")
        if not is_file_name(layer.layer_name) or control_characters(layer.layer_name):
            raise ValueError(f"{layer.layer_name!r} cannot be the name of a layer")
        if not is_file_name(layer.archive_name) or control_characters(layer.archive_name):
            raise ValueError(f"{layer.archive_name!r} cannot be the name of an archive")
        if missing := [name for name in layer.below if name not in seen]:
            raise ValueError(f"{missing[0]!r} below {target} is not there before it")
        below = [(name, seen[name].content_hash) for name in layer.below]
        if layer.closure_id != closure_id(target, layer.content_hash, below):
            raise ValueError(f"the closure ID of {target} is not that of its layers")
        seen[target] = layer


def check_version(version: str) -> None:
    """Refuse what cannot name a release or a channel.

    Raises:
        UsageError: It is empty, too long, begins with a dot, has slashes, spaces or control characters, or cannot
            be part of a file name on Windows.
    """
    wrong = _NOT_IN_VERSIONS.search(version) or control_characters(version) or windows_problem(version)
    if wrong or not 0 < len(version) <= _LONGEST_VERSION:
        raise UsageError(
            f"{version!r} cannot name a release or a channel.",
            hint="use up to 128 characters without slashes and spaces, such as 1.4.0 or stable",
        )
