"""Reading what is compared: archives, publications or locks."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from venvstacks import files
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.definition.stack import LayerKind
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import UsageError
from venvstacks.locking.pylock import parse_pylock
from venvstacks.manifests.manifest_format import METADATA_FOLDER, index_beside
from venvstacks.manifests.published import PublishedLayer, read_published

_LOCK = re.compile(r"pylock\.(.+)\.toml")
_DIST_INFO = re.compile(r"(?:.*/)?site-packages/([^/]+)-([^/-]+)\.dist-info")


@dataclass(frozen=True, slots=True)
class LayerState:
    """What is known of a layer on one side.

    Attributes:
        name: Build name.
        platform: Target name; empty for locks.
        identity: Equal on both sides if nothing has changed.
        packages: Normalised name -> version; None if that is not known. Of a lock, the versions for all platforms
            with commas between them.
        files: Package name -> what distinguishes files of one version; empty if that is not known.
        index: Of the archive; None if there is none.
        archive_size: In bytes; None for locks.
        index_size: In bytes; 0 if there is none.
        deltas: Content hash of an old layer -> bytes of the delta that leads from there.
    """

    name: str
    platform: str
    identity: str
    packages: Mapping[str, str] | None
    files: Mapping[str, str] = field(default_factory=dict)
    index: ArchiveIndex | None = None
    archive_size: int | None = None
    index_size: int = 0
    deltas: Mapping[str, int] = field(default_factory=dict)


def read_states(path: Path) -> tuple[LayerState, ...]:
    """Read what is known of layers."""
    locks = [path] if _is_lock(path) else []
    if path.is_dir():
        locks = [] if (path / METADATA_FOLDER).is_dir() else sorted(path.rglob("pylock.*.toml"))
    if locks:
        return tuple(_read_lock(lock) for lock in locks)
    if path.is_dir() or path.suffix == ".json":
        return tuple(_read_layer(layer.archive, layer) for layer in read_published(path))
    if is_archive(path):
        return (_read_layer(path, _find_manifest(path)),)
    what = f"{path} is not something that can be compared." if path.exists() else f"There is no {path}."
    raise UsageError(
        what,
        hint="name an archive with its index beside it, an output folder, a pylock file, or a requirements folder",
    )


def is_archive(path: Path) -> bool:
    """Return whether something has the name of an archive."""
    return path.name.endswith(tuple(f".{kind.value}" for kind in ArchiveFormat))


def _is_lock(path: Path) -> bool:
    return _LOCK.fullmatch(path.name) is not None or path.name == "pylock.toml"


def _find_manifest(archive: Path) -> PublishedLayer | None:
    try:
        published = read_published(archive.parent)
    except UsageError:  # archives need no manifests beside them
        return None
    return next((layer for layer in published if layer.archive == archive), None)


def _read_layer(archive: Path, published: PublishedLayer | None) -> LayerState:
    if published is not None and published.index_size is None:
        manifest = published.manifest
        return LayerState(
            manifest.layer_name,
            manifest.target_platform or "",
            manifest.archive_content_hash or (manifest.archive_hashes or {}).get("sha256", ""),
            packages=None,
            archive_size=manifest.archive_size or 0,
        )
    index, _ = read_index(archive)
    deltas = (published.manifest.archive_deltas if published is not None else ()) or ()
    return LayerState(
        index.layer_name,
        index.target_platform,
        index.content_hash,
        {**_python(published), **_packages(index.entries)},
        index=index,
        archive_size=index.archive_size,
        index_size=index_beside(archive).stat().st_size,
        deltas={delta.from_content_hash: delta.size for delta in deltas},
    )


def _python(published: PublishedLayer | None) -> dict[str, str]:
    """Count a runtime's Python among its packages."""
    if published is None or published.manifest.runtime_layer != published.manifest.install_target:
        return {}
    name, _, version = published.manifest.python_implementation.partition("@")
    return {name: version}


def _packages(entries: Iterable[IndexEntry]) -> dict[str, str]:
    matches = filter(None, (_DIST_INFO.fullmatch(entry.path) for entry in entries))
    return {str(canonicalize_name(match[1])): match[2] for match in matches}


def _read_lock(path: Path) -> LayerState:
    lock = parse_pylock(path.read_text(encoding="utf-8", errors="surrogateescape"), str(path))
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
    of_packages = {name: " ".join(sorted(each)) for name, each in hashes.items()}
    return LayerState(layer, "", files.json_hash(identity), packages, of_packages)


def _lock_layer(path: Path) -> str:
    """Name the layer of a lock: after its folder, since file names have ``_`` for dots."""
    match = _LOCK.fullmatch(path.name)
    name = match[1] if match else PurePosixPath(path.name).stem
    folder = path.absolute().parent.name
    return folder if folder.replace(".", "_") == name else name


def _locked_python(path: Path) -> dict[str, str]:
    """Count a runtime's Python among its packages, if the metadata beside its lock has the version."""
    try:
        version = read_json(path.with_suffix(".meta.json"), dict[str, object]).get("python_version")
    except (OSError, DocumentError):
        return {}
    return {"python": version} if isinstance(version, str) else {}
