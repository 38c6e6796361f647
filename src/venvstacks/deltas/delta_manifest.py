"""What the manifests beside a delta say of it."""

import hashlib
from io import BufferedReader
from pathlib import Path

import msgspec

from venvstacks.archives.formats import LAYER_METADATA_FOLDER
from venvstacks.deltas.delta_validation import FETCH_ANOTHER
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import DeltaError


class DeltaManifest(msgspec.Struct, frozen=True):
    """What a layer's manifest says of a delta.

    Attributes:
        name: File name of the delta.
        size: In bytes.
        hashes: Algorithm -> hexadecimal digits.
        from_content_hash: Content hash of the old layer.
    """

    name: str
    size: int
    hashes: dict[str, str]
    from_content_hash: str


class _Manifest(msgspec.Struct, frozen=True):
    archive_deltas: tuple[DeltaManifest, ...] = ()


def check_promised(file: BufferedReader, path: Path) -> None:
    """Check that a delta is one that a manifest in the metadata folder beside it names, if any does."""
    promises = []
    for manifest in sorted((path.parent / LAYER_METADATA_FOLDER).glob("*.json")):
        try:
            read = read_json(manifest, _Manifest)
        except (OSError, DocumentError):
            continue  # of a layer without deltas, of an older version, or damaged
        promises += [(manifest, delta) for delta in read.archive_deltas if delta.name == path.name]
    if not promises:
        return
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
    if not any((delta.size, delta.hashes.get("sha256")) == (size, digest) for _, delta in promises):
        raise DeltaError(
            f"The delta {path.name} is not the one that {promises[0][0]} describes: it was damaged or exchanged.",
            hint=FETCH_ANOTHER,
        )
