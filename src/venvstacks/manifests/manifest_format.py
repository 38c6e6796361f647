"""Manifests, and the names of what a published folder holds (see the reference, *Archives and manifests*)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from venvstacks import files
from venvstacks.documents import DocumentError, read_json

METADATA_FOLDER = "__venvstacks__"
"""The folder beside archives and exports that holds their manifests."""

LAYER_METADATA_FOLDER = f"{METADATA_FOLDER}/env_metadata"

INDEX_SUFFIX = ".index.zst"
"""What is added to an archive's file name to name its index."""

DELTA_SUFFIX = ".vdelta"
"""How the file names of deltas end, which lie beside archives."""


class ModuleManifest(msgspec.Struct, frozen=True):
    """A support module of an application.

    Attributes:
        name: The name it is imported by.
        hash: Of its content.
    """

    name: str
    hash: str


class LayerManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Describes a layer, however it is shipped; a key that does not apply to its kind is unset.

    Attributes:
        layer_name: Build name.
        install_target: Name of the deployed folder.
        requirements_hash: From the lock.
        lock_version: From the lock.
        locked_at: From the lock.
        python_implementation: ``cpython@X.Y.Z``.
        runtime_layer: Install target of the runtime.
        bound_to_implementation: Whether the layer holds copies of runtime files.
        system_libraries: Names of the shared libraries that the target's system has to provide; else unset.
        target_platform: Target name; unset in exports of venvstacks 0.8.
        required_layers: Install targets of the frameworks, in path order.
        app_launch_module: Import name.
        app_launch_module_hash: Of the module's content.
        app_support_modules: Sorted by path; unset if there are none.
    """

    layer_name: str
    install_target: str
    requirements_hash: str
    lock_version: int
    locked_at: str
    python_implementation: str
    runtime_layer: str
    bound_to_implementation: bool
    system_libraries: tuple[str, ...] | UnsetType = UNSET
    target_platform: str | UnsetType = UNSET
    required_layers: tuple[str, ...] | UnsetType = UNSET
    app_launch_module: str | UnsetType = UNSET
    app_launch_module_hash: str | UnsetType = UNSET
    app_support_modules: tuple[ModuleManifest, ...] | UnsetType = UNSET


class DeltaManifest(msgspec.Struct, frozen=True):
    """Describes a delta that leads to a published layer.

    Attributes:
        name: File name of the delta, which lies beside the archive.
        size: In bytes.
        hashes: Algorithm -> hexadecimal digits.
        from_content_hash: Content hash of the old layer.
    """

    name: str
    size: int
    hashes: dict[str, str]
    from_content_hash: str


class ArchiveManifest(LayerManifest, frozen=True, kw_only=True):
    """Describes a published layer; what is only known of a written archive may be unset.

    Attributes:
        archive_name: File name.
        archive_build: 1, then one more whenever the archive is rebuilt under the same ``lock_version``.
        archive_inputs_hash: Of everything that decides the archive's bytes and is known before the layer is built.
        archive_links_hash: Of what the built layer takes from those below it.
        archive_size: Of the file, in bytes.
        archive_hashes: Of the file: algorithm -> hexadecimal digits.
        archive_content_hash: Of everything that unpacking makes: ``sha256:HEX``.
        archive_index_name: File name of the archive's index, which lies beside it.
        archive_index_size: Of the index, in bytes.
        archive_index_hashes: Of the index: algorithm -> hexadecimal digits.
        archive_deltas: Files beside the archive that lead to the same content from older states.
    """

    archive_name: str
    archive_build: int
    archive_inputs_hash: str | UnsetType = UNSET
    archive_links_hash: str | UnsetType = UNSET
    archive_size: int | UnsetType = UNSET
    archive_hashes: dict[str, str] | UnsetType = UNSET
    archive_content_hash: str | UnsetType = UNSET
    archive_index_name: str | UnsetType = UNSET
    archive_index_size: int | UnsetType = UNSET
    archive_index_hashes: dict[str, str] | UnsetType = UNSET
    archive_deltas: tuple[DeltaManifest, ...] | UnsetType = UNSET


class ExportManifest(LayerManifest, frozen=True, kw_only=True):
    """Describes an exported layer.

    Attributes:
        export_inputs_hash: Of everything that decides the folder's content and is known before the layer is built;
            unset in exports of venvstacks 0.8.
        export_links_hash: Of what the built layer takes from those below it.
    """

    export_inputs_hash: str | UnsetType = UNSET
    export_links_hash: str | UnsetType = UNSET


class StackManifest(msgspec.Struct, frozen=True):
    """Describes a whole stack.

    Attributes:
        layers: ``runtimes``, ``frameworks`` and ``applications``, each in the stack's order.
    """

    layers: dict[str, tuple[LayerManifest, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return the manifest as values for JSON."""
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])


Manifest = TypeVar("Manifest", bound=LayerManifest)


def stack_manifest_name(platform: str | None) -> str:
    """Name the stack's manifest, relative to the output folder; with a target's name if outputs are tagged."""
    return f"{METADATA_FOLDER}/venvstacks{_tag(platform)}.json"


def layer_manifest_name(build_name: str, platform: str | None) -> str:
    """Name a layer's manifest, relative to the output folder; with a target's name if outputs are tagged."""
    return f"{LAYER_METADATA_FOLDER}/{build_name}{_tag(platform)}.json"


def _tag(platform: str | None) -> str:
    return "" if platform is None else f"-{platform}"


def index_beside(archive: Path) -> Path:
    """Return where the index of an archive is."""
    return archive.with_name(archive.name + INDEX_SUFFIX)


def write_manifest(path: Path, manifest: LayerManifest | StackManifest) -> None:
    """Write a manifest, unless it is there already."""
    files.write_text(path, files.canonical_json(msgspec.to_builtins(manifest)))


def read_manifest(path: Path, kind: type[Manifest]) -> Manifest | None:
    """Read a layer's manifest, ignoring unknown keys; None if it is absent, damaged or something else."""
    try:
        return read_json(path, kind)
    except (OSError, DocumentError):
        return None


def read_manifests(folder: Path, kind: type[Manifest]) -> Iterator[tuple[Path, Manifest]]:
    """Read the layers' manifests in an output folder, leaving out what is damaged or something else."""
    for path in sorted((folder / LAYER_METADATA_FOLDER).glob("*.json")):
        manifest = read_manifest(path, kind)
        if manifest is not None:
            yield path, manifest
