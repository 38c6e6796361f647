"""Deciding which archives are made, and under which names and build numbers."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from venvstacks import files
from venvstacks.archives.codecs import codec_identity
from venvstacks.archives.formats import CODECS, WRITER_REVISION, ArchiveFormat, Compression, Profile, profile_for
from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.stack import LayerKind
from venvstacks.errors import UsageError, require_collection
from venvstacks.manifests.manifest_format import (
    ArchiveManifest,
    layer_manifest_name,
    stack_manifest_name,
)
from venvstacks.manifests.published import PublishedLayer
from venvstacks.publishing.delta_bases import DeltaBase, plan_deltas
from venvstacks.publishing.describe import describe_layer, output_inputs
from venvstacks.publishing.outputs import OutputPlan, PlannedOutput, Reason

Choice = TypeVar("Choice", bound=StrEnum)

# What is only known of a written archive, or as the layer was when it was written.
_KEPT = (
    "archive_links_hash",
    "system_libraries",
    "archive_size",
    "archive_hashes",
    "archive_content_hash",
    "archive_index_name",
    "archive_index_size",
    "archive_index_hashes",
    "archive_deltas",
)


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How to publish.

    Attributes:
        output: The output folder; relative to the definition's folder.
        format: Of the archives; None for what the definition or the environment chooses.
        level: Of the compression; None to go by ``compression``.
        compression: How much time compressing may take; None for what is balanced. Not together with a level.
        tag_outputs: Whether names carry the target, and those of archives the build number.
        force: Whether to rebuild archives whose inputs have not changed.
        delta_from: Output folders and manifests; deltas lead from what they describe to what is published.
        deltas: How many of the last builds in the output folder deltas lead from.
    """

    output: str | os.PathLike[str] = "_artifacts"
    format: ArchiveFormat | str | None = None
    level: int | None = None
    tag_outputs: bool = False
    force: bool = False
    compression: Compression | str | None = None
    delta_from: Collection[str | os.PathLike[str]] = ()
    deltas: int = 0

    def __post_init__(self) -> None:
        require_collection(delta_from=self.delta_from)

    @property
    def folder(self) -> Path:
        """The output folder, as a path."""
        return Path(self.output)

    @property
    def archive_format(self) -> ArchiveFormat:
        """The format of the archives.

        Raises:
            UsageError: There is no such format.
        """
        return _member(ArchiveFormat, self.format or ArchiveFormat.TAR_ZST, "format")


def archive_profile(options: PublishOptions) -> Profile:
    """Return how archives are divided and compressed.

    Raises:
        UsageError: There is no such format or compression, the format has no such level, or there is both a level
            and a kind of compression.
    """
    compression = options.compression and _member(Compression, options.compression, "compression")
    return profile_for(options.archive_format, options.level, compression or None)


def _member(kind: type[Choice], value: str, parameter: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        hint = f"choose one of {', '.join(kind)}"
        raise UsageError(f"There is no {parameter} {value!r}.", hint=hint) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArchive(PlannedOutput[ArchiveManifest]):
    """What will be done about one layer's archive.

    Attributes:
        published_sha256: Hash that the archive must have because it was published before; None if it is new.
        earlier: The last publication; None if there is no usable one.
        deltas: Those that will be made, as far as they are worth it: file name -> where it leads from.
    """

    published_sha256: str | None
    earlier: PublishedLayer | None
    deltas: Mapping[str, DeltaBase]

    def is_described_by(self, manifest: ArchiveManifest) -> bool:
        """Whether a manifest is of the archive that will be there, and not of one before it."""
        ours = self.manifest
        return (manifest.archive_name, manifest.archive_build, manifest.archive_inputs_hash) == (
            ours.archive_name,
            ours.archive_build,
            ours.archive_inputs_hash,
        )


@dataclass(frozen=True, slots=True)
class PublishPlan(OutputPlan[PlannedArchive]):
    """What a publication will do for one platform.

    Attributes:
        options: How to publish.
    """

    options: PublishOptions


def plan_publish(
    builds: Sequence[LayerBuild],
    options: PublishOptions,
    stack: Sequence[tuple[LayerKind, str]],
    *,
    published: Mapping[str, PublishedLayer],
    bases: Mapping[str, Sequence[DeltaBase]],
) -> PublishPlan:
    """Decide what a publication for one target will do; nothing is read or written.

    Args:
        builds: The layers whose archives are wanted, at least one, in the stack's order.
        options: How to publish, with the output folder for this target, absolute.
        stack: Kinds and build names of all layers that are made for the target, in the stack's order.
        published: Build name -> the last publication, where there is a usable one.
        bases: Build name -> published states from which deltas may lead.

    Raises:
        UsageError: The format has no such level, or there is both a level and a kind of compression.
        PublishError: A state that deltas shall lead from cannot be read.
    """
    (target,) = {build.target for build in builds}
    layers = {build.layer.build_name: build for build in builds}
    output = options.folder
    return PublishPlan(
        output,
        tuple(_plan_archive(b, options, published.get(name), bases.get(name, ())) for name, b in layers.items()),
        tuple(stack),
        {name: earlier.manifest for name, earlier in published.items() if name not in layers},
        output / stack_manifest_name(target.name if options.tag_outputs else None),
        options,
    )


def _plan_archive(
    build: LayerBuild, options: PublishOptions, earlier: PublishedLayer | None, bases: Sequence[DeltaBase]
) -> PlannedArchive:
    described = describe_layer(build)
    inputs_hash = _inputs_hash(build, options)
    number, expected_name = 1, ""
    if earlier is not None and earlier.manifest.lock_version == described.lock_version:
        number = earlier.manifest.archive_build
        expected_name = _archive_name(build, options, number)
    reason = _reason(earlier, inputs_hash, build.links_hash, expected_name, force=options.force)
    if expected_name and reason in (Reason.CHANGED, Reason.FORCED):
        number += 1
    name = _archive_name(build, options, number)
    manifest = ArchiveManifest(
        **msgspec.structs.asdict(described),
        archive_name=name,
        archive_build=number,
        archive_inputs_hash=inputs_hash,
        archive_links_hash=build.links_hash or msgspec.UNSET,
    )
    published_sha256, reached = None, set[str]()
    if earlier is not None and reason is Reason.UNCHANGED:
        reached = {earlier.manifest.archive_content_hash or "", *(d.from_content_hash for d in earlier.deltas)}
        manifest = msgspec.structs.replace(manifest, **{key: getattr(earlier.manifest, key) for key in _KEPT})
    elif earlier is not None and reason in (Reason.MISSING, Reason.DAMAGED, Reason.INDEX):
        published_sha256 = (earlier.manifest.archive_hashes or {}).get("sha256")
    output, tag = options.folder, build.target.name if options.tag_outputs else None
    return PlannedArchive(
        build=build,
        reason=reason,
        destination=output / name,
        manifest_path=output / layer_manifest_name(build.layer.build_name, tag),
        manifest=manifest,
        published_sha256=published_sha256,
        earlier=earlier,
        deltas=plan_deltas(bases, options.deltas, title=build.layer.title, archive_name=name, reached=reached),
    )


def _reason(
    earlier: PublishedLayer | None, inputs_hash: str, links_hash: str | None, expected_name: str, *, force: bool
) -> Reason:
    if earlier is None:
        return Reason.FIRST
    manifest = earlier.manifest
    relinked = links_hash is not None and manifest.archive_links_hash not in {links_hash, msgspec.UNSET}
    if manifest.archive_inputs_hash != inputs_hash or relinked or not expected_name:
        return Reason.CHANGED
    if force:
        return Reason.FORCED
    if earlier.archive_size is None or manifest.archive_name != expected_name:
        return Reason.MISSING
    if earlier.archive_size != manifest.archive_size:
        return Reason.DAMAGED
    return Reason.UNCHANGED if earlier.index_size == manifest.archive_index_size else Reason.INDEX


def _archive_name(build: LayerBuild, options: PublishOptions, number: int) -> str:
    tag = f"-{build.target.name}-{number}" if options.tag_outputs else ""
    return f"{build.lock.install_target}{tag}.{options.archive_format.value}"


def _inputs_hash(build: LayerBuild, options: PublishOptions) -> str:
    """Hash everything that decides an archive's bytes."""
    return files.json_hash(
        {
            **output_inputs(build),
            "locked_at": build.lock.metadata.locked_at,
            "profile": archive_profile(options).text,
            "codec": codec_identity(CODECS[options.archive_format]),
            "writer": WRITER_REVISION,
        }
    )
