"""From the manifests of published layers to the release that they are."""

import re
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

import msgspec
from msgspec import UNSET

from venvstacks import files
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.index import ArchiveIndex
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError, ReleaseError
from venvstacks.manifests.manifest_format import ArchiveManifest, index_beside
from venvstacks.manifests.published import PublishedLayer
from venvstacks.releases.release_format import (
    FORMAT,
    BlobReference,
    DeltaReference,
    Release,
    ReleaseLayer,
    closure_id,
    encode_release,
)

PUBLISH_AGAIN = "run `venvstacks publish` again, with the same output folder"

_VERSION_DIGITS = 16
_PYTHON = re.compile(r"pythonw?[0-9.t]*")


def describe_release(layers: Sequence[PublishedLayer]) -> Release:
    """Describe the layers of one platform."""
    by_target = {layer.manifest.install_target: layer for layer in layers}
    described = tuple(_describe(by_target[target], by_target) for target in _in_order(by_target))
    platform = str(layers[0].manifest.target_platform)
    release = Release(format=FORMAT, version="", platform=platform, layers=described)
    # deltas are left out: a publication is the same one when deltas are added to it
    content = tuple(msgspec.structs.replace(layer, deltas=()) for layer in described)
    digits = files.sha256(encode_release(msgspec.structs.replace(release, layers=content)))
    return msgspec.structs.replace(release, version=f"content-{digits[:_VERSION_DIGITS]}")


def _below(manifest: ArchiveManifest) -> tuple[str, ...]:
    """Return the install targets of the layers below one, in path order."""
    required = manifest.required_layers
    return () if required is UNSET else (*required, manifest.runtime_layer)


def _in_order(layers: Mapping[str, PublishedLayer]) -> tuple[str, ...]:
    """Sort install targets, each after those below it; in an order that does not depend on anything else."""
    order: TopologicalSorter[str] = TopologicalSorter()
    for target, layer in sorted(layers.items()):
        below = _below(layer.manifest)
        if missing := [name for name in below if name not in layers]:
            raise ReleaseError(
                f"{layer.manifest.layer_name} for {layer.manifest.target_platform} is published without "
                f"{missing[0]}, which is below it.",
                hint="publish the whole stack into one output folder",
            )
        order.add(target, *sorted(below))
    try:
        return tuple(order.static_order())
    except CycleError as error:
        raise ReleaseError(
            f"Layers are below each other: {', '.join(error.args[1])}.", hint=PUBLISH_AGAIN
        ) from error


def _describe(layer: PublishedLayer, layers: Mapping[str, PublishedLayer]) -> ReleaseLayer:
    _check_files(layer)
    manifest = layer.manifest
    below = _below(manifest)
    hashes = [(name, str(layers[name].manifest.archive_content_hash)) for name in below]
    content_hash = str(manifest.archive_content_hash)
    launch_module = manifest.app_launch_module or ""
    return ReleaseLayer(
        layer_name=manifest.layer_name,
        install_target=manifest.install_target,
        kind="application" if launch_module else "framework" if below else "runtime",
        below=below,
        content_hash=content_hash,
        closure_id=closure_id(manifest.install_target, content_hash, hashes),
        archive=_blob(manifest.archive_hashes, manifest.archive_size),
        archive_name=manifest.archive_name,
        index=_blob(manifest.archive_index_hashes, manifest.archive_index_size),
        deltas=tuple(
            DeltaReference(delta.hashes["sha256"], delta.size, delta.from_content_hash) for delta in layer.deltas
        ),
        launch_module=launch_module,
        commands=_read_programs(layer) if launch_module else (),
    )


def _check_files(layer: PublishedLayer) -> None:
    """Refuse a layer that no client could fetch and verify."""
    manifest = layer.manifest
    described = (manifest.archive_index_name, manifest.archive_index_size, manifest.archive_content_hash)
    problem = ""
    if UNSET in described or not manifest.archive_index_hashes:
        problem = "was published without an index, by an older venvstacks"
    elif layer.archive_size != manifest.archive_size:
        problem = f"is incomplete: {layer.archive} is not there, or has not the size that its manifest says"
    elif layer.index_size != manifest.archive_index_size:
        problem = f"is incomplete: {index_beside(layer.archive)} is not there, or has not the size that it should"
    if problem:
        raise ReleaseError(f"{manifest.layer_name} for {manifest.target_platform} {problem}.", hint=PUBLISH_AGAIN)


def _blob(hashes: object, size: object) -> BlobReference:
    try:
        return msgspec.convert({"sha256": dict(hashes)["sha256"], "size": size}, BlobReference)  # type: ignore[call-overload]
    except (KeyError, msgspec.ValidationError) as error:
        raise ReleaseError(f"A manifest has no usable hash: {error}.", hint=PUBLISH_AGAIN) from error


def _read_programs(layer: PublishedLayer) -> tuple[str, ...]:
    try:
        index, _ = read_index(layer.archive)
    except ArchiveError as error:
        raise ReleaseError(error.message, hint=PUBLISH_AGAIN) from error
    if index.content_hash != layer.manifest.archive_content_hash:
        raise ReleaseError(f"The index of {layer.archive} is of other content than it.", hint=PUBLISH_AGAIN)
    return find_programs(index)


def find_programs(index: ArchiveIndex) -> tuple[str, ...]:
    """Return the names of the programs beside a layer's interpreter, without the ending that Windows needs."""
    windows = index.target_platform.startswith("win")
    folder = PurePosixPath("Scripts" if windows else "bin")
    found = set()
    for entry in index.entries:
        path = PurePosixPath(entry.path)
        is_program = path.suffix == ".exe" if windows else entry.type is EntryKind.SYMLINK or entry.mode & 0o100
        if path.parent == folder and entry.type is not EntryKind.FOLDER and is_program:
            found.add(path.stem if windows else path.name)
    return tuple(sorted(name for name in found if not _PYTHON.fullmatch(name)))
