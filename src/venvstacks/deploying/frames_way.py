"""A layer from its archive: the whole of it, or the frames of what is not there in other layers.

The archive is unpacked while it is fetched. What arrives goes to a file at once, whatever the speed at which it is
unpacked, and is read from there: so memory is bounded, and whoever waits, waits for the network alone.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, wait
from itertools import chain
from pathlib import Path

from venvstacks.archives.archive_reader import ArchiveReader
from venvstacks.archives.extraction import Unpacker
from venvstacks.archives.index import IndexEntry
from venvstacks.archives.staging import new_tree
from venvstacks.deploying.downloads import PartialArchive, open_partial
from venvstacks.deploying.fetch_plan import (
    Fetch,
    FrameGroup,
    PlannedLayer,
    files_of,
    frames_of,
    group_frames,
)
from venvstacks.deploying.fetching import Fetching
from venvstacks.deploying.local_files import LocalFiles
from venvstacks.errors import ArchiveError
from venvstacks.releases.release_format import ReleaseLayer


def fetch_layer(
    planned: PlannedLayer, option: Fetch, destination: Path, fetching: Fetching, progress: Callable[[int], None]
) -> None:
    """Make the folder of a layer from files that are there, and from its archive.

    A file that is there, and not what it was, is fetched as well.

    Raises:
        ArchiveError: The archive is not what the index says.
        StoreError: It cannot be fetched; what has arrived stays.
    """
    layer, known = planned.layer, planned.known
    what = f"The archive {layer.archive_name}"
    with (
        new_tree(destination, known.index.entries, known.index.mtime, what) as tree,
        open_partial(fetching.downloads, layer.archive.sha256, known.index.frames) as archive,
    ):
        reader = ArchiveReader(archive, layer.archive_name, known.index, known.contents)
        unpacker = Unpacker(reader, tree, fetching.pool, progress, believes_frames=True)
        archive_files = ArchiveFiles(archive, unpacker, fetching)
        copies = LocalFiles(option.local, known.index, tree, progress)
        copying = [fetching.pool.submit(task) for task in copies.tasks()]
        try:
            wanted = {entry.path for entry in files_of(known.index, without=option.local)}
            archive_files.fetch(option.groups, wanted if option.local else None)
            wait(copying)
            for future in copying:
                future.result()
        finally:
            for future in copying:
                future.cancel()
            wait(copying)
        if copies.changed:
            _tell_changed(copies.changed, layer, fetching)
            entries = [entry for entry, _ in copies.changed]
            groups = group_frames(known.index.frames, frames_of(known.index, entries))
            archive_files.fetch(groups, {entry.path for entry in entries})


def _tell_changed(
    changed: Sequence[tuple[IndexEntry, ArchiveError]], layer: ReleaseLayer, fetching: Fetching
) -> None:
    more = f" (and {len(changed) - 1} more files like that)" if len(changed) > 1 else ""
    fetching.warn(f"{changed[0][1].message}{more} It is fetched for {layer.layer_name} instead.")


class ArchiveFiles:
    """Files of an archive that is being fetched, on their way into a tree."""

    def __init__(self, archive: PartialArchive, unpacker: Unpacker, fetching: Fetching) -> None:
        self._archive = archive
        self._unpacker = unpacker
        self._fetching = fetching

    def fetch(self, groups: Sequence[FrameGroup], wanted: Collection[str] | None) -> None:
        """Fetch groups of frames, and write files while these arrive: those that are wanted, or all."""
        tasks: dict[int | None, list[Callable[[], None]]] = defaultdict(list)
        for task in self._unpacker.tasks(wanted):
            tasks[task.frame].append(task.run)
        numbers = set(chain.from_iterable(group.numbers for group in groups))
        begun: list[Future[None]] = []
        failed: list[Future[None]] = []
        pool = self._fetching.pool
        guard = threading.Lock()

        def arrived(number: int | None) -> None:
            pool.check()
            for future in tuple(failed):
                future.result()
            with guard:
                for run in tasks.pop(number, ()):
                    begun.append(pool.submit(run))
                    begun[-1].add_done_callback(lambda done: failed.append(done) if _has_failed(done) else None)

        try:
            arrived(None)
            self._archive.recover(numbers, pool)
            self._archive.fetch(self._fetching.store, groups, numbers, arrived)
            wait(begun)
            for future in begun:
                future.result()
        except BaseException as error:
            self._archive.stop(error)
            raise
        finally:
            for future in begun:
                future.cancel()
            wait(begun)


def _has_failed(future: Future[None]) -> bool:
    return not future.cancelled() and future.exception() is not None
