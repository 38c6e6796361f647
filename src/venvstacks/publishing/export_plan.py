"""Deciding which layers are exported."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from venvstacks import files
from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.stack import Layer, LayerKind
from venvstacks.errors import PublishError
from venvstacks.manifests.manifest_format import (
    ExportManifest,
    layer_manifest_name,
    read_manifests,
    stack_manifest_name,
)
from venvstacks.platforms.targets import Target
from venvstacks.publishing.describe import describe_layer, stack_order
from venvstacks.publishing.outputs import OutputPlan, PlannedOutput, Reason


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    Attributes:
        output: The folder that holds the exported layers; relative to the definition's folder.
        force: Whether to export again what has not changed.
    """

    output: str | os.PathLike[str] = "_export"
    force: bool = False

    @property
    def folder(self) -> Path:
        """The output folder, as a path."""
        return Path(self.output)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedExport(PlannedOutput[ExportManifest]):
    """What will be done about one layer's export.

    Attributes:
        claimed: Whether a manifest names the folder already; if none does, it is absent.
        replaces: The layer's earlier folder if it has another name (versioned layers); None otherwise.
    """

    claimed: bool
    replaces: Path | None


class ExportPlan(OutputPlan[PlannedExport]):
    """What an export will do for one platform."""

    __slots__ = ()


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
    builds: Sequence[LayerBuild], selected: Collection[str], options: ExportOptions, exported: Exported
) -> ExportPlan:
    """Decide what an export for one target will do; nothing is read or written."""
    layers = {build.layer.build_name: build for build in builds}
    for name in sorted(set(selected) - set(layers)):
        raise PublishError(f"{name!r} cannot be exported for {builds[0].target.name}: it is not built.")
    order = [name for _, name in exported.stack]
    exports = tuple(
        _plan_layer(layers[name], options, exported) for name in sorted(set(selected), key=order.index)
    )
    there = {name: m for name, m in exported.manifests.items() if m.install_target in exported.present}
    others = {name: manifest for name, manifest in there.items() if name not in selected}
    output = options.folder
    return ExportPlan(output, exports, exported.stack, others, output / stack_manifest_name(None))


def _plan_layer(build: LayerBuild, options: ExportOptions, exported: Exported) -> PlannedExport:
    described = describe_layer(build)
    name, output = described.install_target, options.folder
    if name in exported.present and name not in exported.own:
        raise PublishError(
            f"Cannot export {build.layer.title}: {output / name} exists, but was not created by an export.",
            hint="move it away, or choose another folder with --output-dir",
        )
    manifest = ExportManifest(
        **msgspec.structs.asdict(described),
        export_inputs_hash=_inputs_hash(build),
        export_links_hash=build.links_hash or msgspec.UNSET,
    )
    earlier = exported.manifests.get(described.layer_name)
    reason = _reason(manifest, earlier, exported, force=options.force)
    if earlier is not None and reason is Reason.UNCHANGED:
        manifest = msgspec.structs.replace(
            manifest, export_links_hash=earlier.export_links_hash, system_libraries=earlier.system_libraries
        )
    moved = earlier is not None and earlier.install_target != name and earlier.install_target in exported.present
    return PlannedExport(
        build=build,
        reason=reason,
        destination=output / name,
        manifest_path=output / layer_manifest_name(described.layer_name, None),
        manifest=manifest,
        claimed=name in exported.own,
        replaces=output / earlier.install_target if earlier is not None and moved else None,
    )


def _reason(
    manifest: ExportManifest, earlier: ExportManifest | None, exported: Exported, *, force: bool
) -> Reason:
    if earlier is None:
        return Reason.FIRST_EXPORT
    if earlier.export_inputs_hash != manifest.export_inputs_hash:
        return Reason.CHANGED
    if msgspec.UNSET not in (links := {manifest.export_links_hash, earlier.export_links_hash}) and len(links) > 1:
        return Reason.CHANGED
    if force:
        return Reason.FORCED
    return Reason.UNCHANGED if manifest.install_target in exported.present else Reason.MISSING_FOLDER


def _inputs_hash(build: LayerBuild) -> str:
    """Hash everything that decides an exported folder."""
    return files.json_hash(
        {
            "layer": build.content_hash,
            "install_target": build.lock.install_target,
            "target_platform": build.target.name,
        }
    )
