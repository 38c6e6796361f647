"""Files of a layer that are taken from other layers, or from earlier states of it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from venvstacks.archives.found_files import FoundFiles
from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.archives.tree_writer import TreeWriter
from venvstacks.deploying.believed_files import BelievedFiles
from venvstacks.deploying.fetch_plan import LocalFile
from venvstacks.deploying.inventory import PresentLayer
from venvstacks.entries import batches
from venvstacks.errors import ArchiveError

_BATCH_FILES = 256
_BATCH_SIZE = 16 << 20


class LocalFiles:
    """Puts files that are there into a layer's tree; any thread may take them.

    Attributes:
        changed: Those that are not what they should be, and why; they are not in the tree.
    """

    def __init__(
        self,
        local: Mapping[str, LocalFile],
        index: ArchiveIndex,
        tree: TreeWriter,
        progress: Callable[[int], None],
    ) -> None:
        self.changed: list[tuple[IndexEntry, ArchiveError]] = []
        self._local = local
        self._index = index
        self._tree = tree
        self._progress = progress
        sources = {file.layer.place.path: file.layer for file in local.values()}
        self._sources = {path: _files_of(layer) for path, layer in sources.items()}

    def tasks(self) -> list[Callable[[], None]]:
        """Return the parts of the work, which may be done in any order."""
        found = [entry for entry in self._index.entries if entry.path in self._local]
        return [partial(self._take, batch) for batch in batches(found, _BATCH_FILES, _BATCH_SIZE)]

    def _take(self, entries: Sequence[IndexEntry]) -> None:
        for entry in entries:
            file = self._local[entry.path]
            source = self._sources[file.layer.place.path]
            try:
                if isinstance(source, BelievedFiles):
                    source.take(file.path, entry, self._index.mtime, self._tree)
                else:
                    with self._tree.open(entry) as new:
                        source.copy(file.path, entry, new)
            except ArchiveError as error:
                self._tree.discard(entry)
                self.changed.append((entry, error))
            else:
                self._progress(entry.size)


def _files_of(layer: PresentLayer) -> BelievedFiles | FoundFiles:
    """Return the files of a layer; where the machine may have stopped meanwhile, each is hashed."""
    if layer.placed and layer.index is not None:
        return BelievedFiles(layer.place.path, layer.index.mtime)
    return FoundFiles(layer.place.path)
