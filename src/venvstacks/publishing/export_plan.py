"""Deciding which layers are exported."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from venvstacks import files
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.definition.stack import Layer, LayerKind
from venvstacks.errors import PublishError
from venvstacks.manifests.manifest_format import (
    ExportManifest,
    StackManifest,
    layer_manifest_name,
    read_manifests,
    stack_manifest_name,
)
from venvstacks.platforms.targets import Target
from venvstacks.publishing.describe import describe_layer, describe_stack, stack_order
from venvstacks.publishing.publish_plan import Action


class ExportReason(StrEnum):
    """Why a layer is exported or kept."""

    FIRST = "first export"
    CHANGED = "inputs changed"
    FORCED = "forced"
    MISSING = "folder is missing"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    Attributes:
        output: The folder that holds the exported layers, absolute.
        force: Whether to export layers anew whose inputs have not changed.
    """

    output: Path
    force: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What earlier exports left in a folder.

    Attributes:
        stack: Kinds and build names of all layers made for the target, in the stack's order.
        manifests: Build name -> manifest, for the layers that have a usable one.
        own: Names of folders that some manifest of an export names, those of removed layers included.
        present: Names of everything that the folder holds.
    """

    stack: tuple[tuple[LayerKind, str], ...]
    manifests: Mapping[str, ExportManifest]
    own: frozenset[str]
    present: frozenset[str]


@dataclass(frozen=True, slots=True)
class PlannedExport:
    """What will be done about one layer's export.

    Attributes:
        built: The layer.
        action: Whether the folder is made or kept.
        reason: Why.
        destination: The folder.
        claimed: Whether a manifest names the folder already; if none does, it is absent.
        replaces: The layer's earlier folder if it has another name (versioned layers); None otherwise.
        manifest_path: The layer's manifest.
        manifest: Its content.
    """

    built: BuiltLayer
    action: Action
    reason: ExportReason
    destination: Path
    claimed: bool
    replaces: Path | None
    manifest_path: Path
    manifest: ExportManifest

    def is_described_by(self, manifest: ExportManifest) -> bool:
        """Whether a manifest is of the folder that will be there, and not of one before it."""
        return manifest == self.manifest

    @property
    def layer(self) -> str:
        """The layer's build name."""
        return self.built.layer.build_name


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export will do.

    Attributes:
        options: How to export.
        exports: The selected layers, in the stack's order.
        stack: Kinds and build names of all layers, in the stack's order.
        others: Build name -> manifest of layers that were exported before and are not selected.
        manifest_path: The stack's manifest.
    """

    options: ExportOptions
    exports: tuple[PlannedExport, ...]
    stack: tuple[tuple[LayerKind, str], ...]
    others: Mapping[str, ExportManifest]
    manifest_path: Path

    def manifest(self, selected: Mapping[str, ExportManifest]) -> StackManifest:
        """Return the stack's manifest.

        Args:
            selected: Build name -> manifest of the selected layers, as far as they are exported.
        """
        known = {**self.others, **selected}
        return describe_stack((kind, known[name]) for kind, name in self.stack if name in known)

    def as_json(self) -> dict[str, Any]:
        """Return the manifest that would be written."""
        return self.manifest({export.layer: export.manifest for export in self.exports}).as_json()


def read_exported(layers: Iterable[Layer], target: Target, output: Path) -> Exported:
    """Read what earlier exports left."""
    found = {path.name: manifest for path, manifest in read_manifests(output, ExportManifest)}
    return Exported(
        stack_order(layers, target),
        {
            manifest.layer_name: manifest
            for name, manifest in found.items()
            if name == Path(layer_manifest_name(manifest.layer_name, None)).name
        },
        frozenset(manifest.install_target for manifest in found.values()),
        frozenset(os.listdir(output)) if output.is_dir() else frozenset(),  # noqa: PTH208 - names are what is needed
    )


def plan_export(
    built: Sequence[BuiltLayer], selected: Collection[str], options: ExportOptions, exported: Exported
) -> ExportPlan:
    """Decide what an export will do; nothing is read or written."""
    (target,) = {layer.target for layer in built}
    layers = {layer.layer.build_name: layer for layer in built}
    for name in sorted(set(selected) - set(layers)):
        raise PublishError(f"{name!r} cannot be exported for {target.name}: it is not built.")
    order = [name for _, name in exported.stack]
    exports = tuple(
        _plan_layer(layers[name], options, exported) for name in sorted(set(selected), key=order.index)
    )
    there = {name: m for name, m in exported.manifests.items() if m.install_target in exported.present}
    others = {name: manifest for name, manifest in there.items() if name not in selected}
    return ExportPlan(options, exports, exported.stack, others, options.output / stack_manifest_name(None))


def _plan_layer(built: BuiltLayer, options: ExportOptions, exported: Exported) -> PlannedExport:
    described = describe_layer(built)
    name = described.install_target
    if name in exported.present and name not in exported.own:
        raise PublishError(
            f"Cannot export {built.layer.title}: {options.output / name} exists, and no export made it.",
            hint="move it away, or choose another folder with --output-dir",
        )
    manifest = ExportManifest(
        **msgspec.structs.asdict(described),
        export_inputs_hash=_inputs_hash(built),
        export_links_hash=msgspec.UNSET if built.taken is None else built.taken,
    )
    earlier = exported.manifests.get(described.layer_name)
    reason = _reason(manifest, earlier, exported, force=options.force)
    if earlier is not None and reason is ExportReason.UNCHANGED:
        manifest = msgspec.structs.replace(
            manifest, export_links_hash=earlier.export_links_hash, system_libraries=earlier.system_libraries
        )
    moved = earlier is not None and earlier.install_target != name and earlier.install_target in exported.present
    return PlannedExport(
        built,
        Action.KEEP if reason is ExportReason.UNCHANGED else Action.CREATE,
        reason,
        options.output / name,
        name in exported.own,
        options.output / earlier.install_target if earlier is not None and moved else None,
        options.output / layer_manifest_name(described.layer_name, None),
        manifest,
    )


def _reason(
    manifest: ExportManifest, earlier: ExportManifest | None, exported: Exported, *, force: bool
) -> ExportReason:
    if earlier is None:
        return ExportReason.FIRST
    if earlier.export_inputs_hash != manifest.export_inputs_hash:
        return ExportReason.CHANGED
    if msgspec.UNSET not in (links := {manifest.export_links_hash, earlier.export_links_hash}) and len(links) > 1:
        return ExportReason.CHANGED
    if force:
        return ExportReason.FORCED
    return ExportReason.UNCHANGED if manifest.install_target in exported.present else ExportReason.MISSING


def _inputs_hash(built: BuiltLayer) -> str:
    """Hash everything that decides an exported folder."""
    return files.json_hash(
        {
            "layer": built.inputs_hash,
            "install_target": built.lock.install_target,
            "target_platform": built.target.name,
        }
    )
