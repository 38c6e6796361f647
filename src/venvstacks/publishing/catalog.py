"""What is published in a folder, by its manifests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import UNSET

from venvstacks.archives.formats import LAYER_METADATA_FOLDER
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import UsageError
from venvstacks.platforms.targets import TARGETS
from venvstacks.publishing.manifests import ArchiveManifest, read_manifest


@dataclass(frozen=True, slots=True)
class CataloguedLayer:
    """A published layer.

    Attributes:
        folder: What holds its archive.
        manifest: What is told of it.
    """

    folder: Path
    manifest: ArchiveManifest

    @property
    def archive(self) -> Path:
        """Where the archive is, if it is there."""
        return self.folder / self.manifest.archive_name


class _Stack(msgspec.Struct, frozen=True):
    layers: dict[str, tuple[ArchiveManifest, ...]]


def read_catalog(path: Path) -> tuple[CataloguedLayer, ...]:
    """Read what was published."""
    found = list(_in_folder(path) if path.is_dir() else _in_manifest(path))
    if not found:
        what = "No layers are published in" if path.is_dir() else "There is no manifest of published layers:"
        raise UsageError(
            f"{what} {path}.", hint="name an output folder of `venvstacks publish`, or a manifest in it"
        )
    return tuple(sorted(found, key=lambda layer: (str(layer.manifest.target_platform), layer.manifest.layer_name)))


def _in_folder(path: Path) -> Iterator[CataloguedLayer]:
    for folder in (path, *(path / name for name in sorted(TARGETS))):
        for place in sorted((folder / LAYER_METADATA_FOLDER).glob("*.json")):
            manifest = read_manifest(place, ArchiveManifest)
            if manifest is not None and _is_sound(manifest):
                yield CataloguedLayer(folder, manifest)


def _in_manifest(path: Path) -> Iterator[CataloguedLayer]:
    layer = read_manifest(path, ArchiveManifest)
    if layer is not None:
        if _is_sound(layer):
            yield CataloguedLayer(path.parent.parent.parent, layer)
        return
    try:
        stack = read_json(path, _Stack)
    except (OSError, DocumentError):
        return
    for layers in stack.layers.values():
        yield from (CataloguedLayer(path.parent.parent, manifest) for manifest in layers if _is_sound(manifest))


def _is_sound(manifest: ArchiveManifest) -> bool:
    """Return whether a manifest is complete, and names a file of the folder itself."""
    complete = UNSET not in (manifest.archive_size, manifest.archive_hashes, manifest.target_platform)
    name = manifest.archive_name
    return complete and name == PurePosixPath(name).name and "\\" not in name
