"""The indexes of layers that have to be fetched: what is in them is known before anything else is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from venvstacks import files
from venvstacks.archives.frame_layout import FrameParts
from venvstacks.archives.index import LARGEST_INDEX, ArchiveIndex, IndexEntry, decode_index
from venvstacks.archives.index_validation import check_index
from venvstacks.deploying.inventory import Inventory
from venvstacks.errors import TrustError
from venvstacks.releases.release_format import ReleaseLayer
from venvstacks.stores.interface import Store, blob_name
from venvstacks.work import Task, Work, run_tasks


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """The index of a layer of a release, verified.

    Attributes:
        data: The content of the index file.
        index: What it says.
        contents: What each frame holds.
        fetched: Bytes that came from the store; 0 if an equal file was there.
    """

    data: bytes
    index: ArchiveIndex
    contents: tuple[FrameParts[IndexEntry], ...]
    fetched: int = 0


def read_indexes(
    store: Store, platform: str, layers: Sequence[ReleaseLayer], inventory: Inventory, work: Work
) -> Mapping[str, LayerIndex]:
    """Read the indexes of layers that are not there: SHA-256 of an index -> index.

    Raises:
        StoreError: One of them cannot be fetched.
        TrustError: One is not what the release says, or describes another layer.
        ArchiveError: One is damaged, or describes what no layer may hold.
    """
    missing = {layer.index.sha256: layer for layer in layers if inventory.find(layer) is None}
    there = inventory.layers if missing else ()
    local = {files.sha256(present.index_data): present.index_data for present in there}

    def read(sha256: str, layer: ReleaseLayer, _: Mapping[str, LayerIndex]) -> LayerIndex:
        if (data := local.get(sha256)) is not None:
            return check_layer_index(data, layer, platform)
        return _fetch(store, layer, platform)

    tasks = [
        Task(f"read the index of {layer.layer_name}", sha256, (), partial(read, sha256, layer))
        for sha256, layer in missing.items()
    ]
    return run_tasks(tasks, work)


def _fetch(store: Store, layer: ReleaseLayer, platform: str) -> LayerIndex:
    size = layer.index.size
    if size > LARGEST_INDEX:
        raise _refusal(layer, f"its index is said to have {size} bytes, which no index has")
    data = store.read(blob_name(layer.index.sha256), size).data
    return check_layer_index(data, layer, platform, fetched=size)


def check_layer_index(data: bytes, layer: ReleaseLayer, platform: str, *, fetched: int = 0) -> LayerIndex:
    """Check that an index is the one that a release names, and describes the layer that the release describes."""
    if len(data) != layer.index.size or files.sha256(data) != layer.index.sha256:
        raise _refusal(layer, "its index is not the one that was released")
    name = f"of {layer.layer_name}"
    index = decode_index(data, name)
    contents = check_index(index, name)
    facts = (
        ("layer", index.layer_name, layer.layer_name),
        ("folder", index.install_target, layer.install_target),
        ("platform", index.target_platform, platform),
        ("archive", index.archive, layer.archive_name),
        ("archive size", str(index.archive_size), str(layer.archive.size)),
        ("content hash", index.content_hash, layer.content_hash),
    )
    for what, found, expected in facts:
        if found != expected:
            raise _refusal(layer, f"its index says {what} {found!r}, and the release {expected!r}")
    return LayerIndex(data, index, contents, fetched)


def _refusal(layer: ReleaseLayer, problem: str) -> TrustError:
    return TrustError(
        f"The layer {layer.layer_name} is refused: {problem}.",
        hint="fetch again; if it stays so, the publisher's `venvstacks store verify` shows what is wrong",
    )
