"""An output folder of ``publish`` as releases, one a platform, and as a store without signatures."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from venvstacks import files
from venvstacks.documents import DocumentError, read_json
from venvstacks.errors import NotInStoreError, ReleaseError, StoreError, UsageError
from venvstacks.manifests.manifest_format import (
    index_beside,
    stack_manifest_name,
)
from venvstacks.manifests.published import PublishedLayer, read_published
from venvstacks.platforms.targets import TARGETS
from venvstacks.releases.describe_release import PUBLISH_AGAIN, describe_release
from venvstacks.releases.release_format import BlobReference, Release, ReleaseLayer
from venvstacks.stores.addresses import folder_of
from venvstacks.stores.interface import METADATA, Stored, Traffic, blob_hash

_BLOCK = 1 << 20


class _Named(msgspec.Struct, frozen=True):
    layer_name: str


class _Stack(msgspec.Struct, frozen=True):
    layers: dict[str, tuple[_Named, ...]]


def read_publication(folder: Path) -> tuple[Release, ...]:
    """Return what is published in an output folder, as one release a platform, sorted by the platforms' names.

    Their version is a hash of what they contain: the same for equal publications, wherever they are.

    Raises:
        UsageError: Nothing is published there.
        ReleaseError: A layer is incomplete, has no index, or is not there with those below it.
    """
    return PublicationStore(folder).releases


def find_publication(address: str) -> "PublicationStore | None":
    """Open an address as an output folder of ``publish``; None if it is something else, such as a store.

    Raises:
        ReleaseError: It is one, but cannot be a release.
        UsageError: No store has such an address.
    """
    folder = folder_of(address)
    if folder is None or not any(_stack_manifests(folder)) or (folder / METADATA).is_dir():
        return None
    return PublicationStore(folder, address)


class PublicationStore:
    """An output folder of ``publish``, which can be read as a store of blobs.

    Attributes:
        address: The folder, as it was named.
        traffic: What was read of it so far.
        releases: What is published in it, one a platform, sorted by the platforms' names.
        paths: Name in the store -> the file.
    """

    def __init__(self, folder: Path, address: str = "") -> None:
        self.address = address or str(folder)
        self.traffic = Traffic()
        platforms = _read_platforms(folder)
        self.releases: tuple[Release, ...] = tuple(
            describe_release(layers) for _, layers in sorted(platforms.items())
        )
        self.paths: Mapping[str, Path] = {
            blob.name: path
            for release, (_, layers) in zip(self.releases, sorted(platforms.items()), strict=True)
            for layer in layers
            for blob, path in _files(release.layer(layer.manifest.install_target), layer)
        }

    def read(self, name: str, largest: int) -> Stored:
        """Return the whole content of a file; see :meth:`~venvstacks.stores.interface.Store.read`."""
        with self._reading(name) as path, path.open("rb") as file:
            data = file.read(largest + 1)
        if len(data) > largest:
            raise StoreError(f"{path} has more than the {largest} bytes that it may have.")
        self.traffic.count(requests=1, received=len(data))
        return Stored(data, files.sha256(data))

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Return a part of a file; see :meth:`~venvstacks.stores.interface.Store.stream`."""
        with self._reading(name) as path, path.open("rb") as file:
            self.traffic.count(requests=1)
            file.seek(start)
            left = size
            while left != 0 and (piece := file.read(_BLOCK if left is None else min(left, _BLOCK))):
                left = None if left is None else left - len(piece)
                self.traffic.count(received=len(piece))
                yield piece
        if left:
            raise StoreError(f"{path} ends too early: {left} bytes are missing.", hint=PUBLISH_AGAIN)

    def size(self, name: str) -> int | None:
        """Return the bytes that a file has; None if there is no such file."""
        path = self.paths.get(name)
        try:
            return None if path is None else path.stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from error

    def close(self) -> None:
        """Do nothing: no file stays open."""

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        path = self.paths.get(name)
        if path is None:
            what = "no blob" if blob_hash(name) else "nothing but blobs, and no file"
            raise NotInStoreError(f"The output folder {self.address} has {what} {name}.")
        try:
            yield path
        except FileNotFoundError as error:
            raise NotInStoreError(f"{path} is not there any more.", hint=PUBLISH_AGAIN) from error
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from error


def _stack_manifests(folder: Path) -> Iterator[Path]:
    """Find the manifests of whole stacks in an output folder and those of its platforms.

    The layers' own manifests would not do: those of layers that were removed from the definition stay.
    """
    for place in (folder, *(folder / name for name in sorted(TARGETS))):
        for tag in (None, *sorted(TARGETS)):
            path = place / stack_manifest_name(tag)
            if path.is_file():
                yield path


def _read_platforms(folder: Path) -> Mapping[str, tuple[PublishedLayer, ...]]:
    """Read the layers of each platform that is published in a folder: target name -> layers."""
    found: dict[str, tuple[PublishedLayer, ...]] = {}
    origins: dict[str, Path] = {}
    for path in _stack_manifests(folder):
        for platform, layers in _read_stack(path).items():
            if found.get(platform, layers) != layers:
                raise ReleaseError(
                    f"{origins[platform]} and {path} describe different layers for {platform}.",
                    hint="publish into an output folder of its own, with or without --tag-outputs",
                )
            found[platform], origins[platform] = layers, path
    if not found:
        raise UsageError(
            f"No stack is published in {folder}.", hint="name an output folder of `venvstacks publish`"
        )
    return found


def _read_stack(path: Path) -> Mapping[str, tuple[PublishedLayer, ...]]:
    with files.explain_os_errors(f"read {path}"):
        try:
            stack = read_json(path, _Stack)
        except DocumentError as error:
            raise ReleaseError(f"{path} is damaged: {error}.", hint=PUBLISH_AGAIN) from error
    names = {named.layer_name for layers in stack.layers.values() for named in layers}
    if not names:
        return {}
    try:
        layers = read_published(path)
    except UsageError as error:
        raise ReleaseError(f"{path} describes no layer completely.", hint=PUBLISH_AGAIN) from error
    if missing := sorted(names - {layer.manifest.layer_name for layer in layers}):
        raise ReleaseError(f"{path} does not describe {missing[0]} completely.", hint=PUBLISH_AGAIN)
    platforms: dict[str, list[PublishedLayer]] = {}
    for layer in layers:
        platforms.setdefault(str(layer.manifest.target_platform), []).append(layer)
    return {platform: tuple(found) for platform, found in platforms.items()}


def _files(described: ReleaseLayer, layer: PublishedLayer) -> Iterator[tuple[BlobReference, Path]]:
    yield described.archive, layer.archive
    yield described.index, index_beside(layer.archive)
    for reference, delta in zip(described.deltas, layer.deltas, strict=True):
        yield BlobReference(reference.sha256, reference.size), layer.archive.with_name(delta.name)
