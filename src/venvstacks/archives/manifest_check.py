"""What the manifests beside an archive say of it and of its index."""

from pathlib import Path

import msgspec

from venvstacks import files
from venvstacks.archives.formats import LAYER_METADATA_FOLDER
from venvstacks.archives.index import FETCH_AGAIN
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import ArchiveError


class Promise(msgspec.Struct, frozen=True):
    """What a layer's manifest says of its archive.

    Attributes:
        archive_name: File name of the archive.
        archive_size: Its size, in bytes.
        archive_hashes: Algorithm -> hexadecimal digits.
        archive_index_name: File name of the index.
        archive_index_size: Its size, in bytes.
        archive_index_hashes: Algorithm -> hexadecimal digits.
    """

    archive_name: str
    archive_size: int
    archive_hashes: dict[str, str]
    archive_index_name: str
    archive_index_size: int
    archive_index_hashes: dict[str, str]


def promises_for(archive: Path) -> tuple[tuple[Path, Promise], ...]:
    """Find the manifests that name an archive."""
    found = []
    for path in sorted((archive.parent / LAYER_METADATA_FOLDER).glob("*.json")):
        try:
            promise = read_json(path, Promise)
        except (OSError, DocumentError):
            continue  # of a layer that is not published, of an older version, or damaged
        if promise.archive_name == archive.name:
            found.append((path, promise))
    return tuple(found)


def check_promised(data: bytes, path: Path, promises: tuple[tuple[Path, Promise], ...]) -> None:
    """Check that an index is one that a manifest names, if any does."""
    if not promises:
        return
    facts = path.name, len(data), files.sha256(data)
    for _, promise in promises:
        digest = promise.archive_index_hashes.get("sha256")
        if facts == (promise.archive_index_name, promise.archive_index_size, digest):
            return
    raise ArchiveError(
        f"The index {path.name} is not the one that {promises[0][0]} describes: it was damaged or exchanged.",
        hint=FETCH_AGAIN,
    )
