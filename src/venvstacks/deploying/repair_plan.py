"""What repairing a deployment will do: worked out from what was found, before anything is changed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from venvstacks.archives.index import IndexEntry
from venvstacks.archives.tree_comparison import Change, Difference
from venvstacks.deploying.fetch_plan import FrameGroup, frames_of, group_frames
from venvstacks.deploying.layer_check import CheckedLayer, DeploymentFinding
from venvstacks.deploying.layer_indexes import LayerIndex
from venvstacks.deploying.own_files import OwnFile
from venvstacks.deploying.places import Home, LayerPlace
from venvstacks.deploying.verify import VerifyReport
from venvstacks.entries import BYTECODE_FOLDER, EntryKind
from venvstacks.file_names import parents
from venvstacks.releases.release_format import Release, ReleaseLayer
from venvstacks.stores.interface import Store

_FETCHED = (Change.MISSING, Change.KIND, Change.CONTENT, Change.UNREADABLE)
_COPIED = (Change.MODE, Change.TIME)
_MOVED = (Change.ADDED, Change.KIND)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a layer can be fetched from.

    Attributes:
        home: The product that it belongs to.
        store: Has its archive and its index.
        release: One that it belongs to.
        layer: What that release says of it.
    """

    home: Home
    store: Store
    release: Release
    layer: ReleaseLayer


@dataclass(frozen=True, slots=True)
class LayerRepair:
    """What will be done about one layer.

    Attributes:
        checked: What was found.
        origin: Where it can be fetched from; None if nothing has to be fetched.
        index: What is written in the place of its index; None if that is right.
        again: Whether it is deployed again, as its folder is not there.
        moved: What is moved away; POSIX paths relative to the folder of the layer's ID.
        folders: Folders that are made, or get their mode back.
        links: Symbolic links that are made.
        copied: Files with the right content, which become new files with the right mode and time.
        fetched: Files that are fetched.
        groups: The frames that contain them.
        relinked: Layers below that links will lead to.
    """

    checked: CheckedLayer
    origin: Origin | None = None
    index: LayerIndex | None = None
    again: bool = False
    moved: tuple[str, ...] = ()
    folders: tuple[IndexEntry, ...] = ()
    links: tuple[IndexEntry, ...] = ()
    copied: tuple[IndexEntry, ...] = ()
    fetched: tuple[IndexEntry, ...] = ()
    groups: tuple[FrameGroup, ...] = ()
    relinked: tuple[LayerPlace, ...] = ()

    @property
    def bytes(self) -> int:
        """What is fetched of its archive; if it is deployed again, what its whole archive has."""
        if self.again:
            return self.origin.layer.archive.size if self.origin is not None else 0
        return sum(group.size for group in self.groups)

    @property
    def entries(self) -> tuple[IndexEntry, ...]:
        """The files, links and folders of the layer that are made again."""
        return (*self.folders, *self.links, *self.copied, *self.fetched)


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What repairing a deployment will do.

    Attributes:
        report: What was found.
        left: What cannot be repaired, with the reason.
    """

    report: VerifyReport
    layers: tuple[LayerRepair, ...]  # what is done about layers that are not whole
    launchers: tuple[OwnFile, ...]  # those that are written again
    switches: tuple[tuple[Home, int], ...]  # what becomes current where it is not known which generation was
    left: tuple[DeploymentFinding, ...]

    @property
    def bytes(self) -> int:
        """Bytes that are fetched of archives."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is done."""
        return not (self.layers or self.launchers or self.switches)

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        root = self.report.root
        return {
            "folder": str(root),
            "bytes": self.bytes,
            "layers": [
                {
                    "path": layer.checked.facts.place.path.relative_to(root).as_posix(),
                    "layer_name": layer.checked.facts.layer_name,
                    "again": layer.again,
                    "index": layer.index is not None,
                    "replaced": [entry.path for entry in layer.entries],
                    "links": [below.install_target for below in layer.relinked],
                    "moved": list(layer.moved),
                    "bytes": layer.bytes,
                }
                for layer in self.layers
            ],
            "launchers": [file.path.relative_to(root).as_posix() for file in self.launchers],
            "current": {home.product: number for home, number in self.switches},
            "left": [found.as_json() for found in self.left],
        }


def needs_origin(checked: CheckedLayer) -> bool:
    """Return whether something of a layer has to be fetched."""
    if checked.index is None:
        return True
    return any(
        found.change in _FETCHED and (found.entry is None or found.entry.type is EntryKind.FILE)
        for found in checked.differences
    )


def plan_layer(checked: CheckedLayer, origin: Origin | None, index: LayerIndex | None) -> LayerRepair:
    """Return what will be done about a layer that is not whole.

    Args:
        checked: What was found, with the index that it was compared with.
        origin: Where it can be fetched from; needed if :func:`needs_origin` says so.
        index: The published index, if it was fetched.
    """
    target = checked.facts.place.install_target
    if any(not found.path for found in checked.differences):
        return LayerRepair(checked, origin, index, again=True)
    entries = [(found, found.entry) for found in checked.differences if found.entry is not None]
    fetched = tuple(_entries(entries, EntryKind.FILE, _FETCHED))
    known = checked.index[0] if checked.index is not None else None
    relinked = tuple(below for below in checked.facts.below if below.install_target in checked.links)
    moved = [
        *checked.added,
        *(f"{target}/{found.path}" for found in checked.differences if found.change in _MOVED),
        *(f"{target}/{path}" for path in _bytecode_of(fetched, checked.bytecode)),
    ]
    return LayerRepair(
        checked,
        origin if fetched or index is not None else None,
        index,
        moved=tuple(moved),
        folders=tuple(_entries(entries, EntryKind.FOLDER, (*_FETCHED, *_COPIED))),
        links=tuple(_entries(entries, EntryKind.SYMLINK, (*_FETCHED, *_COPIED))),
        copied=tuple(_entries(entries, EntryKind.FILE, _COPIED)),
        fetched=fetched,
        groups=group_frames(known.frames, frames_of(known, fetched)) if known is not None else (),
        relinked=relinked,
    )


def _entries(
    found: Sequence[tuple[Difference, IndexEntry]], kind: EntryKind, changes: Collection[Change]
) -> Iterator[IndexEntry]:
    return (entry for difference, entry in found if entry.type is kind and difference.change in changes)


def _bytecode_of(entries: Sequence[IndexEntry], bytecode: Sequence[str]) -> Iterator[str]:
    """Return the bytecode of sources: it may be that of what they were changed to, unnoticed by Python."""
    sources = {entry.path.removesuffix(".py") for entry in entries if entry.path.endswith(".py")}
    for path in bytecode:
        folder, _, name = path.rpartition("/")
        parent = folder.removesuffix(BYTECODE_FOLDER)
        if f"{parent}{name.partition('.')[0]}" in sources:
            yield path


def topmost(paths: Sequence[str]) -> Iterator[str]:
    """Return paths without those that are in folders among them."""
    known = set(paths)
    return (path for path in dict.fromkeys(paths) if known.isdisjoint(parents(path)))


def plan_repair(
    report: VerifyReport, repairs: Mapping[str, LayerRepair], left: Sequence[DeploymentFinding]
) -> RepairPlan:
    """Return what will be done about a deployment.

    Args:
        report: What was found.
        repairs: ID of a layer -> what is done about it.
        left: What is known already to be beyond repair.
    """
    own = report.own_files
    switches = []
    stays = [*own.documents, *left]
    for product, finding in own.current:
        number = max(product.generations, default=None)
        if number is None:
            stays.append(finding)
        else:
            switches.append((product.home, number))
    return RepairPlan(
        report,
        tuple(repairs[layer.facts.place.id] for layer in report.layers if layer.facts.place.id in repairs),
        tuple(damaged.file for damaged in own.damaged),
        tuple(switches),
        tuple(stays),
    )
