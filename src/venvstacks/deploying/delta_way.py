"""A layer from an older state of it that is there, and a delta."""

from collections.abc import Callable
from pathlib import Path

from venvstacks.archives.index import ArchiveIndex
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.deltas.apply import apply_delta
from venvstacks.deltas.delta_file import open_delta, read_header
from venvstacks.deltas.delta_format import DeltaEntry, DeltaHeader
from venvstacks.deploying.believed_files import BelievedFiles
from venvstacks.deploying.downloads import fetch_blob
from venvstacks.deploying.fetch_plan import Patch, PlannedLayer
from venvstacks.deploying.fetching import Fetching
from venvstacks.deploying.inventory import PresentLayer
from venvstacks.errors import DeltaError


def patch_layer(
    planned: PlannedLayer, option: Patch, destination: Path, fetching: Fetching, progress: Callable[[int], None]
) -> None:
    """Make the folder of a layer with a delta.

    Raises:
        DeltaError: The delta is not what the release says, or a file of the old layer was changed.
        StoreError: It cannot be fetched.
    """
    path = fetch_blob(fetching.store, option.delta, fetching.downloads, fetching.pool.check)
    header, start = read_header(path, check=False)
    _check_header(header, planned, option.delta.from_content_hash)
    with open_delta(path, header, start) as delta:
        kept = _Kept(option.source, planned.known.index)
        old = option.source.place.path
        apply_delta(delta, old, destination, fetching.pool, progress=progress, kept=kept)


def _check_header(header: DeltaHeader, planned: PlannedLayer, old_content_hash: str) -> None:
    index = planned.known.index
    facts = (
        ("layer", header.layer_name, index.layer_name),
        ("folder", header.install_target, index.install_target),
        ("platform", header.target_platform, index.target_platform),
        ("content hash", header.content_hash, index.content_hash),
        ("old content hash", header.old_content_hash, old_content_hash),
        ("archive", header.archive, index.archive),
    )
    for what, found, expected in facts:
        if found != expected:
            problem = f"it says {what} {found!r}, and the release {expected!r}"
            raise DeltaError(f"A delta to {index.layer_name} is refused: {problem}.")


class _Kept:
    """The files of the old layer that are kept: each is the one that the old and the new index say."""

    def __init__(self, source: PresentLayer, new: ArchiveIndex) -> None:
        if source.index is None:
            raise DeltaError(f"The index {source.place.index} is damaged.")
        self._old = {entry.path: entry for entry in source.index.entries}
        self._new = {entry.path: entry for entry in new.entries}
        self._mtime = new.mtime
        self._files = BelievedFiles(source.place.path, source.index.mtime)

    def take(self, path: str, entry: DeltaEntry, tree: TreeWriter) -> str:
        """Put a file into the tree of the new layer."""
        old, new = self._old.get(path), self._new.get(entry.path)
        if old is None or new is None or old.sha256 != new.sha256:
            raise DeltaError(f"The delta is refused: it keeps {path!r}, which was changed.")
        self._files.take(path, new, self._mtime, tree)
        return new.sha256
