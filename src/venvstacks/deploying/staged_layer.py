"""A layer with all that belongs to it, made beside its place."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.archives.staging import new_tree
from venvstacks.deploying.believed_files import BelievedFiles
from venvstacks.deploying.fetch_plan import PlannedLayer
from venvstacks.deploying.links import make_link
from venvstacks.deploying.places import LAYER_FOLDER, LayerPlace
from venvstacks.documents import read_json
from venvstacks.entries import FOLDER_MODE, EntryKind, batches
from venvstacks.files import write_text

_BATCH_FILES = 256
_BATCH_SIZE = 16 << 20
_CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"


class _Configuration(msgspec.Struct, frozen=True):
    python: str
    base_python: str


def write_facts(planned: PlannedLayer, place: LayerPlace) -> None:
    """Write what belongs to a layer that is complete: its lease, and at last its index."""
    if os.name == "nt":
        write_home(planned, place)
    facts = place.folder / LAYER_FOLDER
    facts.mkdir()
    place.lease.touch()
    place.lease.chmod(0o644)
    place.index.write_bytes(planned.known.data)
    place.index.chmod(0o644)
    for folder in (facts, place.folder):
        folder.chmod(FOLDER_MODE)


def write_home(planned: PlannedLayer, place: LayerPlace) -> None:
    """Write the absolute path of the runtime into ``pyvenv.cfg``, as ``postinstall.py`` does, for Windows."""
    path = place.path / _CONFIGURATION
    if not path.is_file():
        return
    configuration = read_json(path, _Configuration)
    if configuration.python == configuration.base_python:
        return
    name, _, rest = configuration.base_python.removeprefix("../").partition("/")
    runtime = next((below for below in planned.below if below.install_target == name), None)
    if runtime is not None:
        home = (runtime.path / rest).parent
        text = f"home = {home}\ninclude-system-site-packages = false\n"
        write_text(place.path / "pyvenv.cfg", text)


def add_links(
    planned: PlannedLayer,
    place: LayerPlace,
    *,
    where: Callable[[LayerPlace], Path],
    indexes: Mapping[str, Callable[[], ArchiveIndex]],
    pool: FramePool,
) -> None:
    """Put links to the layers below beside a layer, or the layers themselves where there are no links.

    Args:
        planned: The layer.
        place: Where it is.
        where: Returns where a layer below is now.
        indexes: ID of a layer below -> what reads its index.
        pool: Threads.
    """
    for below in planned.below:
        beside = place.folder / below.install_target
        if not make_link(beside, f"../{below.id}/{below.install_target}"):
            _copy_tree(where(below), indexes[below.id](), beside, pool)


def _copy_tree(source: Path, index: ArchiveIndex, destination: Path, pool: FramePool) -> None:
    """Make a folder of another one, whose files it shares if it can."""
    found = BelievedFiles(source, index.mtime)
    with new_tree(destination, index.entries, index.mtime, f"The layer {source}") as tree:

        def take(entries: Sequence[IndexEntry]) -> None:
            for entry in entries:
                found.take(entry.path, entry, index.mtime, tree)

        contents = [entry for entry in index.entries if entry.type is EntryKind.FILE]
        pool.run_all([partial(take, batch) for batch in batches(contents, _BATCH_FILES, _BATCH_SIZE)])
