"""Reading release files from a store, and what blobs a release needs."""

from collections.abc import Iterator

from msgspec import structs

from venvstacks import files
from venvstacks.errors import StoreError
from venvstacks.releases.release_format import (
    LARGEST_RELEASE,
    BlobReference,
    Release,
    ReleaseLayer,
    decode_release,
)
from venvstacks.stores.interface import Blob, Store
from venvstacks.trust.catalog import CatalogEntry

_PUSH_AGAIN = "`venvstacks store verify` tells what else is wrong; push the release again, or another one"


def read_release(store: Store, entry: CatalogEntry) -> Release:
    """Read the release file that signed metadata list.

    Raises:
        StoreError: It cannot be read, or is not the one that is listed.
        ReleaseError: It contradicts itself, or is of a newer version.
    """
    data = store.read(entry.name, LARGEST_RELEASE).data
    if (len(data), files.sha256(data)) != (entry.size, entry.sha256):
        raise StoreError(f"{entry.name} in {store.address} is not the file that was signed.", hint=_PUSH_AGAIN)
    return decode_release(data, entry.version, entry.platform)


def references(release: Release) -> Iterator[tuple[ReleaseLayer, str, BlobReference]]:
    """Return the blobs of a release: the layer, ``archive``, ``index`` or ``delta``, and the blob."""
    for layer in release.layers:
        yield layer, "archive", layer.archive
        yield layer, "index", layer.index
        for delta in layer.deltas:
            yield layer, "delta", BlobReference(delta.sha256, delta.size)


def blobs_of(release: Release) -> tuple[Blob, ...]:
    """Return the blobs of a release, each once."""
    found = (Blob(reference.sha256, reference.size) for _, _, reference in references(release))
    return tuple(dict.fromkeys(found))


def without_deltas(release: Release) -> Release:
    """Return what decides whether two releases have the same content: anybody may have made more deltas."""
    layers = tuple(structs.replace(layer, deltas=()) for layer in release.layers)
    return structs.replace(release, layers=layers)
