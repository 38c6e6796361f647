"""Reading what is compared: archives, publications or locks."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import msgspec
from packaging.utils import canonicalize_name

from venvstacks import files
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import IndexEntry
from venvstacks.definition.stack import LayerKind
from venvstacks.differences.changes import LayerState
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import UsageError
from venvstacks.locking.pylock import parse_pylock
from venvstacks.manifests.manifest_format import METADATA_FOLDER, index_beside
from venvstacks.manifests.published import PublishedLayer, read_published

_LOCK = re.compile(r"pylock\.(.+)\.toml")
_DIST_INFO = re.compile(r"(?:.*/)?site-packages/([^/]+)-([^/-]+)\.dist-info")


def read_states(path: Path) -> tuple[LayerState, ...]:
    """Read what is known of layers."""
    if path.is_dir():
        locks = sorted(path.rglob("pylock.*.toml"))
        if locks and not (path / METADATA_FOLDER).is_dir():
            return tuple(_of_lock(lock) for lock in locks)
        return tuple(_of_layer(layer) for layer in read_published(path))
    if is_lock(path):
        return (_of_lock(path),)
    if is_archive(path):
        return (_of_archive(path),)
    if path.suffix == ".json":
        return tuple(_of_layer(layer) for layer in read_published(path))
    what = f"{path} is not something that can be compared." if path.exists() else f"There is no {path}."
    raise UsageError(
        what,
        hint="name an archive with its index beside it, an output folder, a pylock file, or a requirements folder",
    )


def is_archive(path: Path) -> bool:
    """Return whether something has the name of an archive."""
    return any(path.name.endswith(f".{kind.value}") for kind in ArchiveFormat)


def is_lock(path: Path) -> bool:
    """Return whether something has the name of a lock file."""
    return _LOCK.fullmatch(path.name) is not None or path.name == "pylock.toml"


def _of_archive(path: Path) -> LayerState:
    try:
        published = read_published(path.parent)
    except UsageError:  # archives need no manifests beside them
        published = ()
    for layer in published:
        if layer.archive == path:
            return _of_layer(layer)
    return _with_index(path, None)


def _of_layer(layer: PublishedLayer) -> LayerState:
    manifest = layer.manifest
    if layer.index_size is not None:
        return _with_index(layer.archive, layer)
    hashes = manifest.archive_hashes or {}
    return LayerState(
        manifest.layer_name,
        manifest.target_platform or "",
        manifest.archive_content_hash or hashes.get("sha256", ""),
        None,
        {},
        None,
        manifest.archive_size or 0,
    )


def _with_index(path: Path, layer: PublishedLayer | None) -> LayerState:
    index, _ = read_index(path)
    deltas = (layer.manifest.archive_deltas if layer is not None else ()) or ()
    return LayerState(
        index.layer_name,
        index.target_platform,
        index.content_hash,
        {**_python(layer), **installed_packages(index.entries)},
        {},
        index,
        index.archive_size,
        index_beside(path).stat().st_size,
        {delta.from_content_hash: delta.size for delta in deltas},
    )


def _python(layer: PublishedLayer | None) -> dict[str, str]:
    """Count a runtime's Python among its packages."""
    if layer is None or layer.manifest.runtime_layer != layer.manifest.install_target:
        return {}
    name, _, version = layer.manifest.python_implementation.partition("@")
    return {name: version}


def installed_packages(entries: Iterable[IndexEntry]) -> dict[str, str]:
    """Return which packages are installed in a layer."""
    found = {}
    for entry in entries:
        if match := _DIST_INFO.fullmatch(entry.path):
            found[str(canonicalize_name(match[1]))] = match[2]
    return found


def _of_lock(path: Path) -> LayerState:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    lock = parse_pylock(text, str(path))
    versions: dict[str, set[str]] = {}
    hashes: dict[str, set[str]] = {}
    for package in lock.packages:
        name = str(package.name)
        versions.setdefault(name, set()).add(str(package.version or "?"))
        hashes.setdefault(name, set()).update(
            digest for wheel in package.wheels or () for digest in wheel.hashes.values()
        )
    layer = _lock_layer(path)
    packages = {name: ", ".join(sorted(each)) for name, each in versions.items()}
    if not layer.startswith((LayerKind.FRAMEWORK.prefix, LayerKind.APPLICATION.prefix)):
        packages |= _locked_python(path)
    identity = {"packages": packages, "files": {name: sorted(each) for name, each in hashes.items()}}
    return LayerState(
        layer,
        "",
        files.json_hash(identity),
        packages,
        {name: " ".join(sorted(each)) for name, each in hashes.items()},
    )


def _lock_layer(path: Path) -> str:
    """Name the layer of a lock: after its folder, since file names have ``_`` for dots."""
    match = _LOCK.fullmatch(path.name)
    name = match[1] if match else PurePosixPath(path.name).stem
    folder = path.absolute().parent.name
    return folder if folder.replace(".", "_") == name else name


def _locked_python(path: Path) -> Mapping[str, str]:
    try:
        metadata = read_json(path.with_suffix(".meta.json"), _Metadata)
    except (OSError, DocumentError):
        return {}
    return {"python": metadata.python_version}


class _Metadata(msgspec.Struct, frozen=True):
    python_version: str
