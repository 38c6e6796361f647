"""Which layers are in a deployment's folder."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from venvstacks import files
from venvstacks.archives.index import LARGEST_INDEX, ArchiveIndex, IndexEntry, decode_index
from venvstacks.deploying.links import is_link
from venvstacks.deploying.places import LAYER_FOLDER, Home, LayerPlace
from venvstacks.errors import ArchiveError
from venvstacks.releases.release_format import ID_DIGITS, ReleaseLayer

_ID = re.compile(f"[0-9a-f]{{{ID_DIGITS}}}")


@dataclass(frozen=True)
class PresentLayer:
    """A layer that is there; its index is read when something of it is asked for.

    Attributes:
        place: Where it is.
        placed: Whether it has its place; else it was made by a run that was killed before it got there, perhaps
            with the whole machine, so that only its contents tell whether it is whole.
    """

    place: LayerPlace
    placed: bool = True

    @cached_property
    def index_data(self) -> bytes:
        """The content of its index; empty if it cannot be read."""
        try:
            with self.place.index.open("rb") as file:
                data = file.read(LARGEST_INDEX + 1)
        except OSError:
            return b""
        return data if len(data) <= LARGEST_INDEX else b""

    @cached_property
    def index(self) -> ArchiveIndex | None:
        """Its index; None if that is damaged."""
        try:
            found = decode_index(self.index_data, os.fspath(self.place.index))
        except ArchiveError:
            return None
        return found if found.install_target == self.place.install_target else None

    @cached_property
    def files(self) -> Sequence[IndexEntry]:
        """Its files that are not empty; where it has no place, those that are there in the right size."""
        entries = [] if self.index is None else [entry for entry in self.index.entries if entry.size]
        return entries if self.placed else [entry for entry in entries if self._has(entry)]

    def _has(self, entry: IndexEntry) -> bool:
        try:
            return os.lstat(f"{self.place.path}/{entry.path}").st_size == entry.size
        except OSError:
            return False

    @property
    def content_hash(self) -> str:
        """Of everything in it, as its index says; empty if that is damaged."""
        return self.index.content_hash if self.index is not None else ""

    def is_layer(self, layer: ReleaseLayer) -> bool:
        """Return whether its index is that of a layer of a release, or one of equal content."""
        if self.place.install_target != layer.install_target:
            return False
        data = self.index_data
        same = len(data) == layer.index.size and files.sha256(data) == layer.index.sha256
        return same or self.content_hash == layer.content_hash


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is in the folder of layers.

    Attributes:
        layers: Those that are there, in the order of their IDs, then those that never got their place.
        problems: What is said of folders that are not whole; they count as absent.
    """

    layers: tuple[PresentLayer, ...]
    problems: tuple[str, ...] = ()

    def find(self, layer: ReleaseLayer) -> PresentLayer | None:
        """Return the layer of a release if it has its place."""
        found = (each for each in self.layers if each.placed and each.place.id == layer.id)
        return next((each for each in found if each.is_layer(layer)), None)


def read_inventory(home: Home) -> Inventory:
    """Look at what is in the folder of layers; files of layers are not looked at.

    Raises:
        FilesystemError: It cannot be read.
    """
    with files.explain_os_errors(f"read {home.layers}"):
        return _read(home)


def _read(home: Home) -> Inventory:
    layers, unplaced, problems = [], [], []
    for folder in _folders(home.layers):
        name = folder.name
        found = _look_at(folder)
        if name.startswith(files.TEMPORARY_PREFIX):
            if found is not None:
                unplaced.append(PresentLayer(found, placed=False))
        elif found is None:
            problems.append(f"{folder} is not a whole layer; it counts as absent.")
        else:
            layers.append(PresentLayer(found))
    return Inventory((*layers, *unplaced), tuple(problems))


def _folders(layers: Path) -> Iterator[Path]:
    try:
        with os.scandir(layers) as found:
            items = [item for item in found if item.is_dir(follow_symlinks=False) and not is_link(item)]
    except FileNotFoundError:
        return
    for item in sorted(items, key=lambda item: item.name):
        if _ID.fullmatch(item.name) or item.name.startswith(files.TEMPORARY_PREFIX):
            yield Path(item.path)


def _look_at(folder: Path) -> LayerPlace | None:
    """Find the layer in a folder; besides, there are links to the layers below, or copies of them."""
    with os.scandir(folder) as found:
        names = [item.name for item in found if item.is_dir(follow_symlinks=False) and not is_link(item)]
    if LAYER_FOLDER not in names:
        return None
    targets = [name for name in names if name != LAYER_FOLDER]
    places = [LayerPlace(folder.name, target, folder) for target in targets]
    if len(places) > 1:
        places = [place for place in places if PresentLayer(place).index is not None]
    return places[0] if places and places[0].index.is_file() else None
