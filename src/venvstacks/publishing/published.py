"""What earlier publications left in an output folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from msgspec import UNSET

from venvstacks.archives.index import SUFFIX
from venvstacks.definition.stack import Layer, LayerKind
from venvstacks.deltas.delta_manifest import DeltaManifest
from venvstacks.platforms.targets import Target
from venvstacks.publishing.manifests import ArchiveManifest, layer_manifest_name, read_manifest


@dataclass(frozen=True, slots=True)
class EarlierArchive:
    """What is known of a layer's last publication.

    Attributes:
        kind: The layer's kind.
        manifest: Its manifest; None if there is no usable one for the target.
        file_size: Bytes of the archive that the manifest names; None if there is no such file.
        index_size: Bytes of the index that the manifest names; None if there is no such file.
        deltas: Those that the manifest names and that are there.
    """

    kind: LayerKind
    manifest: ArchiveManifest | None = None
    file_size: int | None = None
    index_size: int | None = None
    deltas: tuple[DeltaManifest, ...] = ()


def read_published(
    layers: Iterable[Layer], target: Target, output: Path, *, tag_outputs: bool
) -> Mapping[str, EarlierArchive]:
    """Read the manifests of earlier publications."""
    tag = target.name if tag_outputs else None
    found = {}
    for layer in layers:
        if layer.on(target) is None:
            continue
        manifest = read_manifest(output / layer_manifest_name(layer.build_name, tag), ArchiveManifest)
        if manifest is None or not _is_of(manifest, layer, target):
            found[layer.build_name] = EarlierArchive(layer.kind)
        else:
            archive = output / manifest.archive_name
            index = archive.with_name(archive.name + SUFFIX)
            deltas = tuple(d for d in manifest.archive_deltas or () if _size(output / d.name) == d.size)
            found[layer.build_name] = EarlierArchive(layer.kind, manifest, _size(archive), _size(index), deltas)
    return found


def _is_of(manifest: ArchiveManifest, layer: Layer, target: Target) -> bool:
    """Return whether a manifest is complete, of this layer and target, and names a file of the folder itself."""
    complete = UNSET not in (manifest.archive_size, manifest.archive_hashes)
    right = (manifest.layer_name, manifest.target_platform) == (layer.build_name, target.name)
    names = [manifest.archive_name, *(delta.name for delta in manifest.archive_deltas or ())]
    return complete and right and all(name == PurePosixPath(name).name and "\\" not in name for name in names)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
