"""Deciding which archives are made, and under which names and build numbers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from venvstacks import files
from venvstacks.archives.codecs import codec_identity
from venvstacks.archives.formats import WRITER_REVISION, ArchiveFormat, Compression, Profile, profile_for
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.definition.stack import LayerKind
from venvstacks.errors import PublishError
from venvstacks.manifests.manifest_format import (
    ArchiveManifest,
    StackManifest,
    layer_manifest_name,
    stack_manifest_name,
)
from venvstacks.manifests.published import PublishedLayer
from venvstacks.publishing.delta_bases import DeltaBase, plan_deltas
from venvstacks.publishing.describe import describe_layer, describe_stack


class Action(StrEnum):
    """What is done about a layer's output."""

    CREATE = "create"
    KEEP = "keep"


class Reason(StrEnum):
    """Why."""

    FIRST = "first publication"
    CHANGED = "inputs changed"
    FORCED = "forced"
    MISSING = "archive is missing"
    DAMAGED = "archive is damaged"
    INDEX = "index is missing or damaged"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How to publish.

    Attributes:
        output: The output folder, absolute.
        format: Of the archives; None for what the definition or the environment chooses.
        level: Of the compression; None to go by ``compression``.
        compression: How much time compressing may take; None for what is balanced. Not together with a level.
        tag_outputs: Whether names carry the target, and those of archives the build number.
        force: Whether to make archives anew whose inputs have not changed.
        delta_from: Output folders and manifests; deltas lead from what they describe to what is published.
        deltas: How many of the last builds in the output folder deltas lead from.
    """

    output: Path
    format: ArchiveFormat | None = None
    level: int | None = None
    tag_outputs: bool = False
    force: bool = False
    compression: Compression | None = None
    delta_from: tuple[Path, ...] = ()
    deltas: int = 0

    @property
    def archive_format(self) -> ArchiveFormat:
        """The format of the archives."""
        return self.format or ArchiveFormat.TAR_ZST

    @property
    def profile(self) -> Profile:
        """How archives are divided and compressed.

        Raises:
            UsageError: The format has no such level, or there is both a level and a kind of compression.
        """
        return profile_for(self.archive_format, self.level, self.compression)


@dataclass(frozen=True, slots=True)
class PlannedArchive:
    """What will be done about one layer's archive.

    Attributes:
        built: The layer.
        action: Whether the archive is made or kept.
        reason: Why.
        destination: The archive.
        manifest_path: The layer's manifest.
        manifest: Its content, as far as it is known before the archive is made.
        published_sha256: Hash that the archive must have because it was published before; None if it is new.
        earlier: The last publication; None if there is no usable one.
        deltas: Those that will be made, as far as they are worth it: file name -> where it leads from.
    """

    built: BuiltLayer
    action: Action
    reason: Reason
    destination: Path
    manifest_path: Path
    manifest: ArchiveManifest
    published_sha256: str | None
    earlier: PublishedLayer | None
    deltas: Mapping[str, DeltaBase]

    @property
    def layer(self) -> str:
        """The layer's build name."""
        return self.built.layer.build_name

    def is_described_by(self, manifest: ArchiveManifest) -> bool:
        """Whether a manifest is of the archive that will be there, and not of one before it."""
        ours = self.manifest
        return (manifest.archive_name, manifest.archive_build, manifest.archive_inputs_hash) == (
            ours.archive_name,
            ours.archive_build,
            ours.archive_inputs_hash,
        )


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """What a publication will do.

    Attributes:
        options: How to publish.
        archives: The selected layers, in the stack's order.
        stack: Kinds and build names of all layers, in the stack's order.
        others: Build name -> manifest of layers that were published before and are not selected.
        manifest_path: The stack's manifest.
    """

    options: PublishOptions
    archives: tuple[PlannedArchive, ...]
    stack: tuple[tuple[LayerKind, str], ...]
    others: Mapping[str, ArchiveManifest]
    manifest_path: Path

    def manifest(self, selected: Mapping[str, ArchiveManifest]) -> StackManifest:
        """Return the stack's manifest.

        Args:
            selected: Build name -> manifest of the selected layers, as far as they are published.
        """
        known = {**self.others, **selected}
        return describe_stack((kind, known[name]) for kind, name in self.stack if name in known)

    def as_json(self) -> dict[str, Any]:
        """Return the manifest that would be written, less the sizes and hashes of archives to be made."""
        return self.manifest({archive.layer: archive.manifest for archive in self.archives}).as_json()


def plan_publish(
    built: Sequence[BuiltLayer],
    selected: Collection[str],
    options: PublishOptions,
    stack: Sequence[tuple[LayerKind, str]],
    *,
    published: Mapping[str, PublishedLayer],
    bases: Mapping[str, Sequence[DeltaBase]],
) -> PublishPlan:
    """Decide what a publication will do; nothing is read or written."""
    (target,) = {layer.target for layer in built}
    layers = {layer.layer.build_name: layer for layer in built}
    for name in sorted(set(selected) - set(layers)):
        raise PublishError(f"{name!r} cannot be published for {target.name}: it is not built.")
    wanted = [name for _, name in stack if name in selected]
    return PublishPlan(
        options,
        tuple(_plan_archive(layers[n], options, published.get(n), bases.get(n, ())) for n in wanted),
        tuple(stack),
        {name: earlier.manifest for name, earlier in published.items() if name not in wanted},
        options.output / stack_manifest_name(target.name if options.tag_outputs else None),
    )


def _plan_archive(
    built: BuiltLayer, options: PublishOptions, earlier: PublishedLayer | None, bases: Sequence[DeltaBase]
) -> PlannedArchive:
    described = describe_layer(built)
    inputs_hash = _inputs_hash(built, options)
    build, expected_name = 1, ""
    if earlier is not None and earlier.manifest.lock_version == described.lock_version:
        build = earlier.manifest.archive_build
        expected_name = _archive_name(built, options, build)
    reason = _reason(earlier, inputs_hash, built.taken, expected_name, force=options.force)
    if expected_name and reason in (Reason.CHANGED, Reason.FORCED):
        build += 1
    name = _archive_name(built, options, build)
    manifest = ArchiveManifest(
        **msgspec.structs.asdict(described),
        archive_name=name,
        archive_build=build,
        archive_inputs_hash=inputs_hash,
        archive_links_hash=msgspec.UNSET if built.taken is None else built.taken,
    )
    published_sha256, reached = None, set[str]()
    if earlier is not None and reason is Reason.UNCHANGED:
        reached = {earlier.manifest.archive_content_hash or "", *(d.from_content_hash for d in earlier.deltas)}
        manifest = msgspec.structs.replace(
            manifest,
            archive_links_hash=earlier.manifest.archive_links_hash,
            system_libraries=earlier.manifest.system_libraries,
            archive_size=earlier.manifest.archive_size,
            archive_hashes=earlier.manifest.archive_hashes,
            archive_content_hash=earlier.manifest.archive_content_hash,
            archive_index_name=earlier.manifest.archive_index_name,
            archive_index_size=earlier.manifest.archive_index_size,
            archive_index_hashes=earlier.manifest.archive_index_hashes,
            archive_deltas=earlier.manifest.archive_deltas,
        )
    elif earlier is not None and reason in (Reason.MISSING, Reason.DAMAGED, Reason.INDEX):
        published_sha256 = (earlier.manifest.archive_hashes or {}).get("sha256")
    tag = built.target.name if options.tag_outputs else None
    return PlannedArchive(
        built,
        Action.KEEP if reason is Reason.UNCHANGED else Action.CREATE,
        reason,
        options.output / name,
        options.output / layer_manifest_name(described.layer_name, tag),
        manifest,
        published_sha256,
        earlier,
        plan_deltas(bases, options.deltas, title=built.layer.title, archive_name=name, reached=reached),
    )


def _reason(
    earlier: PublishedLayer | None, inputs_hash: str, taken: str | None, expected_name: str, *, force: bool
) -> Reason:
    if earlier is None:
        return Reason.FIRST
    manifest = earlier.manifest
    takes_other = taken is not None and manifest.archive_links_hash not in {taken, msgspec.UNSET}
    if manifest.archive_inputs_hash != inputs_hash or takes_other or not expected_name:
        return Reason.CHANGED
    if force:
        return Reason.FORCED
    if earlier.archive_size is None or manifest.archive_name != expected_name:
        return Reason.MISSING
    if earlier.archive_size != manifest.archive_size:
        return Reason.DAMAGED
    return Reason.UNCHANGED if earlier.index_size == manifest.archive_index_size else Reason.INDEX


def _archive_name(built: BuiltLayer, options: PublishOptions, build: int) -> str:
    tag = f"-{built.target.name}-{build}" if options.tag_outputs else ""
    return f"{built.lock.install_target}{tag}.{options.archive_format.value}"


def _inputs_hash(built: BuiltLayer, options: PublishOptions) -> str:
    """Hash everything that decides an archive's bytes."""
    return files.json_hash(
        {
            "layer": built.inputs_hash,
            "install_target": built.lock.install_target,
            "target_platform": built.target.name,
            "locked_at": built.lock.metadata.locked_at,
            "profile": options.profile.text,
            "codec": codec_identity(options.archive_format.codec),
            "writer": WRITER_REVISION,
        }
    )
