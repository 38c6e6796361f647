"""Manifests: what is told about published and exported layers (described in the reference, *Manifests*)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from venvstacks import files
from venvstacks.archives.formats import LAYER_METADATA_FOLDER, METADATA_FOLDER
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.definition.stack import LayerKind, SourceModule
from venvstacks.deltas.delta_manifest import DeltaManifest
from venvstacks.documents import DocumentError, read_json


class ModuleManifest(msgspec.Struct, frozen=True):
    """A support module of an application.

    Attributes:
        name: The name it is imported by.
        hash: Of its content.
    """

    name: str
    hash: str


class LayerManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of every layer; a key that does not apply to its kind is unset.

    Attributes:
        layer_name: Build name.
        install_target: Name of the deployed folder.
        requirements_hash: From the lock.
        lock_version: From the lock.
        locked_at: From the lock.
        python_implementation: ``cpython@X.Y.Z``.
        runtime_layer: Install target of the runtime.
        bound_to_implementation: Whether the layer holds copies of runtime files.
        system_libraries: Names of the shared libraries that the target's system has to bring; unset without any.
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


class ArchiveManifest(LayerManifest, frozen=True, kw_only=True):
    """What is told of a published layer; what is only known of a written archive may be unset.

    Attributes:
        archive_name: File name.
        archive_build: 1, then one more whenever the archive is rebuilt under the same ``lock_version``.
        archive_inputs_hash: Of everything that decides the archive's bytes and is known before the layer is built.
        archive_links_hash: Of what the built layer takes from those below it.
        archive_size: Of the file, in bytes.
        archive_hashes: Of the file: algorithm -> hexadecimal digits.
        archive_content_hash: Of everything that unpacking makes: ``sha256:HEX``.
        archive_index_name: File name of the archive's index, which stands beside it.
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
    """What is told of an exported layer.

    Attributes:
        export_inputs_hash: Of everything that decides the folder's content and is known before the layer is built;
            unset in exports of venvstacks 0.8.
        export_links_hash: Of what the built layer takes from those below it.
    """

    export_inputs_hash: str | UnsetType = UNSET
    export_links_hash: str | UnsetType = UNSET


class StackManifest(msgspec.Struct, frozen=True):
    """What is told of a whole stack.

    Attributes:
        layers: ``runtimes``, ``frameworks`` and ``applications``, each in the stack's order.
    """

    layers: dict[str, tuple[LayerManifest, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return the manifest as values for JSON."""
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])


Manifest = TypeVar("Manifest", bound=LayerManifest)


def describe_layer(built: BuiltLayer) -> LayerManifest:
    """Return what does not depend on how a layer is shipped."""
    layer, lock = built.layer, built.lock
    runtime = lock if layer.kind is LayerKind.RUNTIME else built.below[-1]
    frameworks = {below.layer: below.install_target for below in built.below}
    launch = layer.launch_module
    manifest = LayerManifest(
        layer_name=layer.build_name,
        install_target=lock.install_target,
        requirements_hash=lock.metadata.requirements_hash,
        lock_version=lock.metadata.lock_version,
        locked_at=lock.metadata.locked_at,
        python_implementation=lock.python.request,
        runtime_layer=runtime.install_target,
        bound_to_implementation=layer.kind is LayerKind.RUNTIME or built.target.is_windows,
        system_libraries=built.system_libraries or UNSET,
        target_platform=built.target.name,
    )
    if layer.kind is LayerKind.RUNTIME:
        return manifest
    manifest = msgspec.structs.replace(manifest, required_layers=tuple(frameworks[n] for n in layer.frameworks))
    if launch is None:
        return manifest
    return msgspec.structs.replace(
        manifest,
        app_launch_module=launch.name,
        app_launch_module_hash=built.module_hashes[launch.name],
        app_support_modules=_support_modules(layer.support_modules, built) or UNSET,
    )


def _support_modules(modules: Iterable[SourceModule], built: BuiltLayer) -> tuple[ModuleManifest, ...]:
    """Describe support modules, in the order of venvstacks 0.8."""
    ordered = sorted(modules, key=lambda module: module.path.parts)
    return tuple(ModuleManifest(module.name, built.module_hashes[module.name]) for module in ordered)


def describe_stack(layers: Iterable[tuple[LayerKind, LayerManifest]]) -> StackManifest:
    """Put the manifests of layers together.

    Args:
        layers: Their kinds and manifests, in the stack's order.
    """
    listed = list(layers)
    return StackManifest({kind.table: tuple(m for k, m in listed if k is kind) for kind in LayerKind})


def stack_manifest_name(platform: str | None) -> str:
    """Name the stack's manifest: a POSIX path relative to the output folder.

    Args:
        platform: Target name if outputs are tagged.
    """
    return f"{METADATA_FOLDER}/venvstacks{_tag(platform)}.json"


def layer_manifest_name(build_name: str, platform: str | None) -> str:
    """Name a layer's manifest: a POSIX path relative to the output folder.

    Args:
        build_name: The layer.
        platform: Target name if outputs are tagged.
    """
    return f"{LAYER_METADATA_FOLDER}/{build_name}{_tag(platform)}.json"


def _tag(platform: str | None) -> str:
    return "" if platform is None else f"-{platform}"


def write_manifest(path: Path, manifest: LayerManifest | StackManifest) -> None:
    """Write a manifest, unless it is there already."""
    files.write_text(path, files.canonical_json(msgspec.to_builtins(manifest)))


def read_manifest(path: Path, kind: type[Manifest]) -> Manifest | None:
    """Read a layer's manifest.

    Args:
        path: The file.
        kind: What it should hold; other keys are ignored.

    Returns:
        The manifest, or None if the file is absent, damaged or something else.
    """
    try:
        return read_json(path, kind)
    except (OSError, DocumentError):
        return None
