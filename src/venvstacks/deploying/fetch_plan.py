"""Deciding how each layer of a release gets to where it belongs; nothing is read or written.

The ways to get a layer that is not there are weighed by the bytes that they move, and by their requests: a request
counts as :data:`REQUEST_COST` bytes. All ways are kept, the cheapest first, as some may turn out not to work.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from venvstacks.archives.index import ArchiveIndex, Frame, IndexEntry
from venvstacks.deploying.inventory import Inventory, PresentLayer
from venvstacks.deploying.layer_indexes import LayerIndex
from venvstacks.deploying.places import Home, LayerPlace
from venvstacks.entries import EntryKind
from venvstacks.releases.release_format import DeltaReference, ReleaseLayer

REQUEST_COST = 64 << 10
"""How many bytes a request counts as: about what arrives meanwhile, with 10 Mbit/s and 50 ms from end to end.

Faster connections are mostly nearer, too: 100 Mbit/s and 5 ms make as much. Of files that lie in one archive,
those that are nearer to each other are fetched with what is between them."""

_BLOCK = 4096  # bytes that a file takes a multiple of, on most file systems


class Way(StrEnum):
    """How a layer gets to where it belongs."""

    KEEP = "keep"
    COPY = "copy"
    DELTA = "delta"
    FRAMES = "frames"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class FrameGroup:
    """Neighbouring frames of an archive, which one request fetches.

    Attributes:
        numbers: Of the frames.
        start: Where they begin in the archive, in bytes.
        size: Of all of them, in bytes.
    """

    numbers: range
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that is there, in some layer.

    Attributes:
        layer: The layer.
        path: Of the file in it, a POSIX path.
    """

    layer: PresentLayer
    path: str


@dataclass(frozen=True, kw_only=True)
class Option:
    """A way to get one layer: this one is to keep it.

    Attributes:
        way: The way.
        bytes: What is fetched, beside the index.
        requests: With how many requests.
    """

    way: Way = Way.KEEP
    bytes: int = 0
    requests: int = 0

    @property
    def cost(self) -> int:
        """Bytes, with what requests count as."""
        return self.bytes + self.requests * REQUEST_COST


@dataclass(frozen=True, kw_only=True)
class Patch(Option):
    """To apply a delta to an older layer."""

    source: PresentLayer
    delta: DeltaReference


@dataclass(frozen=True, kw_only=True)
class Fetch(Option):
    """To fetch frames of the archive, none or all of it, and to take the other files from where they are.

    Attributes:
        groups: The frames to fetch.
        local: Path of a file -> where it is taken from.
        source: The layer of equal content that all of it is taken from.
    """

    groups: tuple[FrameGroup, ...] = ()
    local: Mapping[str, LocalFile] = field(default_factory=dict)
    source: PresentLayer | None = None


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """How one layer gets to where it belongs.

    Attributes:
        layer: The layer.
        place: Where it will be, or is.
        below: Where the layers below it will be, or are.
        index: Its index; None if it is there.
        options: The ways to get it, the cheapest first.
    """

    layer: ReleaseLayer
    place: LayerPlace
    below: tuple[LayerPlace, ...]
    index: LayerIndex | None
    options: tuple[Option, ...]

    @property
    def known(self) -> LayerIndex:
        """The index of a layer that is not there."""
        if self.index is None:
            raise ValueError(self.layer.layer_name)
        return self.index

    @property
    def size(self) -> int:
        """Bytes of all files of a layer that is not there."""
        return sum(entry.size for entry in self.known.index.entries)

    @property
    def way(self) -> Way:
        """The cheapest way."""
        return self.options[0].way

    @property
    def alternatives(self) -> tuple[Option, ...]:
        """The other ways, in the order in which they are tried if the cheapest one fails."""
        return self.options[1:]

    @property
    def source(self) -> PresentLayer | None:
        """The layer that is copied, or that a delta is applied to."""
        option = self.options[0]
        return option.source if isinstance(option, Fetch | Patch) else None

    @property
    def bytes(self) -> int:
        """What is fetched, the index included."""
        return self.options[0].bytes + (self.index.fetched if self.index is not None else 0)

    @property
    def requests(self) -> int:
        """How many requests fetch it, that for the index included."""
        return self.options[0].requests + (1 if self.index is not None and self.index.fetched else 0)

    @property
    def disk(self) -> int:
        """Bytes that it will take on the disk, and those that are fetched for it, which stay until it is there."""
        if self.index is None or self.way is Way.COPY:
            return 0
        blocks = sum(-(-entry.size // _BLOCK) for entry in self.index.index.entries)
        return blocks * _BLOCK + self.options[0].bytes


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """How layers get to where they belong.

    Attributes:
        layers: Each after those below it.
        warnings: What is said of what was found.
    """

    layers: tuple[PlannedLayer, ...]
    warnings: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[PlannedLayer, ...]:
        """The layers that are not there."""
        return tuple(planned for planned in self.layers if planned.way is not Way.KEEP)

    @property
    def bytes(self) -> int:
        """What is fetched, indexes included."""
        return sum(planned.bytes for planned in self.layers)

    @property
    def requests(self) -> int:
        """How many requests fetch it, those for indexes included."""
        return sum(planned.requests for planned in self.layers)

    @property
    def disk(self) -> int:
        """Bytes that are needed on the disk."""
        return sum(planned.disk for planned in self.layers)


def plan_layers(
    home: Home, layers: Sequence[ReleaseLayer], inventory: Inventory, indexes: Mapping[str, LayerIndex]
) -> FetchPlan:
    """Decide how layers get to where they belong.

    Args:
        home: The deployment.
        layers: Layers of one release, each after those below it, which are all among them.
        inventory: What is there.
        indexes: SHA-256 of an index -> index, of all layers that are not there.
    """
    places = {layer.install_target: home.place(layer) for layer in layers}
    missing = {layer.install_target for layer in layers if inventory.find(layer) is None}
    wanted = {
        entry.sha256
        for layer in layers
        if layer.install_target in missing
        for entry in indexes[layer.index.sha256].index.entries
        if entry.size
    }
    local = _find_files(inventory, wanted) if wanted else {}
    planned = []
    for layer in layers:
        index = indexes[layer.index.sha256] if layer.install_target in missing else None
        options = (Option(),) if index is None else _weigh(layer, index.index, inventory, local)
        below = tuple(places[target] for target in layer.below)
        planned.append(PlannedLayer(layer, places[layer.install_target], below, index, options))
    damaged = (
        f"{places[name].folder} is not what was deployed there; it is replaced."
        for name in sorted(missing)
        if any(present.placed and present.place.id == places[name].id for present in inventory.layers)
    )
    return FetchPlan(tuple(planned), (*inventory.problems, *damaged))


def _find_files(inventory: Inventory, wanted: set[str]) -> Mapping[str, LocalFile]:
    """Find contents in layers that are there: SHA-256 -> file."""
    found: dict[str, LocalFile] = {}
    for present in inventory.layers:
        for entry in present.files:
            if entry.sha256 in wanted:
                found.setdefault(entry.sha256, LocalFile(present, entry.path))
    return found


def _weigh(
    layer: ReleaseLayer, index: ArchiveIndex, inventory: Inventory, local: Mapping[str, LocalFile]
) -> tuple[Option, ...]:
    options: list[Option] = [
        *_copies(layer, index, inventory),
        _archive(index),
        *_frames(index, local),
        *_deltas(layer, inventory),
    ]
    return tuple(sorted(options, key=lambda option: option.cost))  # of equal ones, the first is the simplest


def _copies(layer: ReleaseLayer, index: ArchiveIndex, inventory: Inventory) -> Iterator[Fetch]:
    for present in inventory.layers:
        if present.placed and present.content_hash == layer.content_hash:
            local = {entry.path: LocalFile(present, entry.path) for entry in index.entries if entry.size}
            yield Fetch(way=Way.COPY, local=local, source=present)


def _deltas(layer: ReleaseLayer, inventory: Inventory) -> Iterator[Patch]:
    for delta in layer.deltas:
        for present in inventory.layers:
            if present.placed and present.content_hash == delta.from_content_hash:
                yield Patch(way=Way.DELTA, bytes=delta.size, requests=1, source=present, delta=delta)


def _frames(index: ArchiveIndex, local: Mapping[str, LocalFile]) -> Iterator[Fetch]:
    there = {entry.path: local[entry.sha256] for entry in index.entries if entry.size and entry.sha256 in local}
    if there:
        groups = group_frames(index.frames, frames_of(index, files_of(index, without=there)))
        yield _fetch(Way.FRAMES, groups, there)


def _archive(index: ArchiveIndex) -> Fetch:
    groups = group_frames(index.frames, range(len(index.frames)), gap=index.archive_size)
    return _fetch(Way.ARCHIVE, groups, {})


def _fetch(way: Way, groups: tuple[FrameGroup, ...], local: Mapping[str, LocalFile]) -> Fetch:
    return Fetch(
        way=way, bytes=sum(group.size for group in groups), requests=len(groups), groups=groups, local=local
    )


def files_of(index: ArchiveIndex, *, without: Mapping[str, LocalFile]) -> Iterator[IndexEntry]:
    """Return the files of an index, without some."""
    return (entry for entry in index.entries if entry.type is EntryKind.FILE and entry.path not in without)


def frames_of(index: ArchiveIndex, entries: Iterable[IndexEntry]) -> set[int]:
    """Return the numbers of the frames that hold the contents of files."""
    return {number for entry in entries for number, _, _ in index.pieces(entry)}


def group_frames(
    frames: Sequence[Frame], numbers: Iterable[int], *, gap: int = REQUEST_COST
) -> tuple[FrameGroup, ...]:
    """Divide frames between requests: those that are nearer to each other than ``gap`` share one."""
    groups: list[FrameGroup] = []
    for number in sorted(numbers):
        frame = frames[number]
        last = groups[-1] if groups else None
        if last is not None and frame.offset - (last.start + last.size) <= gap:
            size = frame.offset + frame.size - last.start
            groups[-1] = FrameGroup(range(last.numbers.start, number + 1), last.start, size)
        else:
            groups.append(FrameGroup(range(number, number + 1), frame.offset, frame.size))
    return tuple(groups)
