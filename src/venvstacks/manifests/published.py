"""What is published in a folder: the layers that its manifests describe, and which of their files are there."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import UNSET

from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import UsageError
from venvstacks.file_names import is_file_name
from venvstacks.manifests.manifest_format import (
    ArchiveManifest,
    DeltaManifest,
    index_beside,
    layer_manifest_name,
    read_manifest,
    read_manifests,
)
from venvstacks.platforms.targets import TARGETS


@dataclass(frozen=True, slots=True)
class PublishedLayer:
    """A layer that a manifest describes, and which of its files are there.

    Attributes:
        archive: Where the archive is, or was; index and deltas lie beside it.
        manifest: Complete, and names nothing outside the archive's folder.
        archive_size: Bytes of the archive; None if it is not there.
        index_size: Bytes of the index; None if it is not there.
        deltas: Those that are there, in the right size.
    """

    archive: Path
    manifest: ArchiveManifest
    archive_size: int | None
    index_size: int | None
    deltas: tuple[DeltaManifest, ...] = ()


class _Stack(msgspec.Struct, frozen=True):
    layers: dict[str, tuple[ArchiveManifest, ...]]


def read_published(path: Path) -> tuple[PublishedLayer, ...]:
    """Read what is published in a folder, its platforms' folders included, or described by one manifest in it."""
    described = _in_folder(path) if path.is_dir() else _in_manifest(path.absolute())
    inspected = (_inspect(folder, manifest) for folder, manifest in described)
    found = [layer for layer in inspected if layer is not None]
    if not found:
        what = "No layers are published in" if path.is_dir() else "There is no manifest of published layers:"
        raise UsageError(
            f"{what} {path}.", hint="name an output folder of `venvstacks publish`, or a manifest in it"
        )
    return tuple(sorted(found, key=lambda layer: (str(layer.manifest.target_platform), layer.manifest.layer_name)))


def find_published(
    folder: Path, names: Collection[str], platform: str, *, tagged: bool
) -> Mapping[str, PublishedLayer]:
    """Find the last publications of layers for one platform: build name -> layer, where there is a usable one."""
    found = {}
    for name in names:
        path = folder / layer_manifest_name(name, platform if tagged else None)
        manifest = read_manifest(path, ArchiveManifest)
        if manifest is not None and (manifest.layer_name, manifest.target_platform) == (name, platform):
            layer = _inspect(folder, manifest)
            if layer is not None:
                found[name] = layer
    return found


def _in_folder(path: Path) -> Iterator[tuple[Path, ArchiveManifest]]:
    for folder in (path, *(path / name for name in sorted(TARGETS))):
        for _, manifest in read_manifests(folder, ArchiveManifest):
            yield folder, manifest


def _in_manifest(path: Path) -> Iterator[tuple[Path, ArchiveManifest]]:
    layer = read_manifest(path, ArchiveManifest)
    if layer is not None:
        yield path.parent.parent.parent, layer
        return
    try:
        stack = read_json(path, _Stack)
    except (OSError, DocumentError):
        return
    for layers in stack.layers.values():
        for manifest in layers:
            yield path.parent.parent, manifest


def _inspect(folder: Path, manifest: ArchiveManifest) -> PublishedLayer | None:
    """Look for a layer's files; None if the manifest is incomplete, or names anything outside the folder."""
    deltas = manifest.archive_deltas or ()
    names = [manifest.archive_name, *(delta.name for delta in deltas)]
    complete = UNSET not in (manifest.archive_size, manifest.archive_hashes, manifest.target_platform)
    if not complete or not all(map(is_file_name, names)):
        return None
    archive = folder / manifest.archive_name
    return PublishedLayer(
        archive,
        manifest,
        _size(archive),
        _size(index_beside(archive)),
        tuple(delta for delta in deltas if _size(folder / delta.name) == delta.size),
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
