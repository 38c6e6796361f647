"""Deciding which layers are exported."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from venvstacks import files
from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.stack import LayerKind
from venvstacks.errors import PublishError
from venvstacks.manifests.manifest_format import (
    ExportManifest,
    layer_manifest_name,
    read_manifests,
    stack_manifest_name,
)
from venvstacks.publishing.describe import describe_layer, output_inputs
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedExport(PlannedOutput[ExportManifest]):
    """What will be done about one layer's export.

    Attributes:
        claimed: Whether the folder is there already, and some manifest names it.
        replaces: The layer's earlier folder if it has another name (versioned layers); None otherwise.
    """

    claimed: bool
    replaces: Path | None


class ExportPlan(OutputPlan[PlannedExport]):
    """What an export will do for one platform."""

    __slots__ = ()


def read_exported(output: Path) -> tuple[dict[str, ExportManifest], dict[str, bool]]:
    """Read what earlier exports left.

    Returns:
        Build name -> manifest, and the name of everything in the folder -> whether some manifest names it, even
        that of a layer which was removed from the stack.
    """
    found = tuple(read_manifests(output, ExportManifest))
    own = {manifest.install_target for _, manifest in found}
    present = os.listdir(output) if output.is_dir() else ()  # noqa: PTH208 - names are what is needed
    return (
        {m.layer_name: m for path, m in found if path == output / layer_manifest_name(m.layer_name, None)},
        {name: name in own for name in present},
    )


def plan_export(
    builds: Sequence[LayerBuild],
    options: ExportOptions,
    stack: Sequence[tuple[LayerKind, str]],
    *,
    exported: Mapping[str, ExportManifest],
    present: Mapping[str, bool],
) -> ExportPlan:
    """Decide what an export for one target will do; nothing is read or written.

    Args:
        builds: The layers that are exported, in the stack's order.
        options: How to export, with the output folder for this target, absolute.
        stack: Kinds and build names of all layers that are made for the target, in the stack's order.
        exported: What :func:`read_exported` returns first: build name -> manifest.
        present: What it returns second: name of what is there -> whether it is an export's own.
    """
    exports = tuple(_plan_layer(build, options, exported.get(build.layer.build_name), present) for build in builds)
    selected = {export.layer for export in exports}
    others = {n: m for n, m in exported.items() if m.install_target in present and n not in selected}
    return ExportPlan(options.folder, exports, tuple(stack), others, options.folder / stack_manifest_name(None))


def _plan_layer(
    build: LayerBuild, options: ExportOptions, earlier: ExportManifest | None, present: Mapping[str, bool]
) -> PlannedExport:
    described = describe_layer(build)
    name, output = described.install_target, options.folder
    if not present.get(name, True):
        raise PublishError(
            f"Cannot export {build.layer.title}: {output / name} exists, but was not created by an export.",
            hint="move it away, or choose another folder with --output-dir",
        )
    manifest = ExportManifest(
        **msgspec.structs.asdict(described),
        export_inputs_hash=files.json_hash(output_inputs(build)),
        export_links_hash=build.links_hash or msgspec.UNSET,
    )
    reason = _reason(manifest, earlier, present, force=options.force)
    if earlier is not None and reason is Reason.UNCHANGED:
        manifest = msgspec.structs.replace(
            manifest, export_links_hash=earlier.export_links_hash, system_libraries=earlier.system_libraries
        )
    moved = earlier is not None and earlier.install_target != name and earlier.install_target in present
    return PlannedExport(
        build=build,
        reason=reason,
        destination=output / name,
        manifest_path=output / layer_manifest_name(described.layer_name, None),
        manifest=manifest,
        claimed=present.get(name, False),
        replaces=output / earlier.install_target if earlier is not None and moved else None,
    )


def _reason(
    manifest: ExportManifest, earlier: ExportManifest | None, present: Collection[str], *, force: bool
) -> Reason:
    if earlier is None:
        return Reason.FIRST_EXPORT
    if earlier.export_inputs_hash != manifest.export_inputs_hash:
        return Reason.CHANGED
    if msgspec.UNSET not in (links := {manifest.export_links_hash, earlier.export_links_hash}) and len(links) > 1:
        return Reason.CHANGED
    if force:
        return Reason.FORCED
    return Reason.UNCHANGED if manifest.install_target in present else Reason.MISSING_FOLDER
