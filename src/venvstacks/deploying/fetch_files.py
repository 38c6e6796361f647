"""Some files of a layer, from its archive; repairs need them."""

from collections.abc import Sequence
from pathlib import Path

from venvstacks import files
from venvstacks.archives.archive_reader import ArchiveReader
from venvstacks.archives.extraction import Unpacker
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.pool import frame_pool
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.deploying.downloads import open_partial
from venvstacks.deploying.fetch_plan import frames_of, group_frames
from venvstacks.deploying.fetching import Fetching
from venvstacks.deploying.frames_way import ArchiveFiles
from venvstacks.deploying.layer_indexes import LayerIndex
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError, NotInStoreError, StoreError
from venvstacks.events import Meter, Step, Warned
from venvstacks.file_names import parents
from venvstacks.releases.release_format import ReleaseLayer
from venvstacks.stores.interface import Store
from venvstacks.work import Work


def fetch_files(
    store: Store,
    layer: ReleaseLayer,
    known: LayerIndex,
    entries: Sequence[IndexEntry],
    folder: Path,
    *,
    downloads: Path,
    work: Work,
) -> None:
    """Write files and links of a layer, verified, with modes and times; only the frames of these are fetched.

    Args:
        store: Where the layer is.
        layer: The layer.
        known: Its index.
        entries: Files and links of the index; the folders that they lie in are made.
        folder: What will hold them, under their paths; an empty folder.
        downloads: The folder of what has been fetched in part.
        work: How.

    Raises:
        StoreError: The store does not answer, or what it has is damaged.
    """
    wanted = {entry.path for entry in entries}
    above = {path for entry in entries for path in parents(entry.path)}
    kept = [entry for entry in known.index.entries if entry.path in wanted or entry.path in above]
    size = sum(entry.size for entry in entries)
    with frame_pool(work) as pool, files.explain_os_errors(f"write files of {layer.layer_name}"):
        tree = TreeWriter(folder, kept, known.index.mtime, f"The archive {layer.archive_name}")
        tree.begin()
        fetching = Fetching(store, downloads, pool, lambda message: work.observe(Warned(message)))
        progress = Meter(work.observe, Step.REPAIR, layer.layer_name, size).add
        with open_partial(downloads, layer.archive.sha256, known.index.frames) as archive:
            reader = ArchiveReader(archive, layer.archive_name, known.index, known.contents)
            found = {entry.path for entry in kept if entry.type is EntryKind.FILE}
            groups = group_frames(known.index.frames, frames_of(known.index, entries))
            try:
                ArchiveFiles(archive, Unpacker(reader, tree, pool, progress), fetching).fetch(groups, found)
            except (ArchiveError, NotInStoreError) as error:
                raise damaged_store(store, layer, error) from error
        tree.finish()
        (downloads / layer.archive.sha256).unlink()


def damaged_store(store: Store, layer: ReleaseLayer, error: Exception) -> StoreError:
    """Say that a store does not have what was released."""
    reason = getattr(error, "message", str(error))
    return StoreError(
        f"{layer.layer_name} cannot be fetched from {store.address}: {reason}",
        hint="try again; if it stays so, the publisher's `venvstacks store verify` shows what is damaged",
    )
