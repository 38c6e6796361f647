"""Whether a deployed layer is what was published: its files, its index, and the links beside it."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from venvstacks import files
from venvstacks.archives.archive_reader import CheckedIndex
from venvstacks.archives.index import LARGEST_INDEX, decode_index
from venvstacks.archives.index_validation import check_index
from venvstacks.archives.pool import FramePool
from venvstacks.archives.tree_comparison import Change, Difference, compare_tree
from venvstacks.deploying.links import is_link, leads_to
from venvstacks.deploying.places import LAYER_FOLDER, LayerPlace
from venvstacks.errors import ArchiveError

_HOME = b"home = "  # how the line of pyvenv.cfg begins that is written on the machine


class DeploymentProblem(StrEnum):
    """What is wrong with something in a deployment."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class DeploymentFinding:
    """Something of a deployment that is not as it was made.

    Attributes:
        path: POSIX path relative to the deployment's folder.
        problem: What is wrong with it.
        detail: In what it is changed: its content, mode, time, or kind (as a link in the place of a file).
    """

    path: str
    problem: DeploymentProblem
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """Return what ``--json`` prints."""
        return {"path": self.path, "problem": str(self.problem), "detail": self.detail}


@dataclass(frozen=True, slots=True)
class DeployedLayerFacts:
    """What a layer should be, according to the generations that need it.

    Attributes:
        place: Where it is.
        layer_name: Build name.
        content_hash: Of everything in it.
        below: Places of the layers below it.
    """

    place: LayerPlace
    layer_name: str
    content_hash: str
    below: tuple[LayerPlace, ...]


@dataclass(frozen=True, slots=True)
class CheckedLayer:
    """What was found of a layer.

    Attributes:
        facts: What it should be.
        index: Its index with what each frame holds; None if that is not there, damaged, or another layer's.
        index_problem: Why there is none.
        differences: Where its folder differs from its index; paths are relative to that folder.
        bytecode: How many files of bytecode Python has written beside sources.
        links: Install targets of the layers below that its links do not lead to.
        added: Names of what stands beside the layer and does not belong there.
        read: Bytes of all contents.
    """

    facts: DeployedLayerFacts
    index: CheckedIndex | None
    index_problem: str
    differences: tuple[Difference, ...]
    bytecode: tuple[str, ...]
    links: tuple[str, ...]
    added: tuple[str, ...]
    read: int

    @property
    def is_whole(self) -> bool:
        """Whether it is as it was published."""
        return self.index is not None and not (self.differences or self.links or self.added)

    def findings(self, root: Path) -> Iterator[DeploymentFinding]:
        """Return what is wrong."""
        place = self.facts.place
        folder = PurePosixPath(place.folder.relative_to(root).as_posix())
        if self.index is None:
            problem = DeploymentProblem.CHANGED if os.path.lexists(place.index) else DeploymentProblem.MISSING
            yield DeploymentFinding(f"{folder}/{LAYER_FOLDER}/{place.index.name}", problem, self.index_problem)
        for name in self.links:
            there = os.path.lexists(place.folder / name)
            yield DeploymentFinding(
                str(folder / name), DeploymentProblem.CHANGED if there else DeploymentProblem.MISSING, "link"
            )
        for name in self.added:
            yield DeploymentFinding(str(folder / name), DeploymentProblem.ADDED)
        for found in self.differences:
            yield _finding(found, folder / place.install_target)


def _finding(found: Difference, folder: PurePosixPath) -> DeploymentFinding:
    path = str(folder / found.path)
    match found.change:
        case Change.MISSING:
            return DeploymentFinding(path, DeploymentProblem.MISSING)
        case Change.ADDED:
            return DeploymentFinding(path, DeploymentProblem.ADDED)
        case Change.UNREADABLE:
            return DeploymentFinding(
                path, DeploymentProblem.UNREADABLE, found.error.strerror or "" if found.error else ""
            )
    return DeploymentFinding(path, DeploymentProblem.CHANGED, str(found.change))


def check_layer(facts: DeployedLayerFacts, pool: FramePool, known: CheckedIndex | None = None) -> CheckedLayer:
    """Read everything of a layer, and compare it with its index, or with one that is known."""
    place = facts.place
    index, problem = known, ""
    try:
        index = known or read_deployed_index(place, facts.content_hash)
    except (OSError, ArchiveError) as error:
        problem = error.message if isinstance(error, ArchiveError) else error.strerror or str(error)
    found = tuple(compare_tree(place.path, index[0], pool)) if index else ()
    bytecode = tuple(each.path for each in found if each.change is Change.BYTECODE)
    differences = tuple(
        each
        for each in found
        if each.change is not Change.BYTECODE and index and not _is_expected(each, place, index[0].mtime)
    )
    links = tuple(below.install_target for below in facts.below if not _is_linked(place, below, pool))
    return CheckedLayer(
        facts=facts,
        index=index,
        index_problem=problem,
        differences=differences,
        bytecode=bytecode,
        links=links,
        added=tuple(_added(facts)),
        read=sum(entry.size for entry in index[0].entries) if index else 0,
    )


def read_deployed_index(place: LayerPlace, content_hash: str) -> CheckedIndex:
    """Read the index in a layer's folder, and check that it is of that layer.

    Raises:
        OSError: It cannot be read.
        ArchiveError: It is damaged, or of another layer.
    """
    with place.index.open("rb") as file:
        data = file.read(LARGEST_INDEX + 1)
    if len(data) > LARGEST_INDEX:
        raise ArchiveError("it is too large to be an index")
    index = decode_index(data, place.index.name)
    contents = check_index(index, place.index.name)
    if (index.content_hash, index.install_target) != (content_hash, place.install_target):
        raise ArchiveError(f"it describes another state of {index.install_target}")
    return index, contents


def _is_expected(found: Difference, place: LayerPlace, mtime: int) -> bool:
    """Return whether a difference is what deploying itself makes."""
    if found.change is Change.TIME and int((place.path / found.path).lstat().st_mtime) < mtime:
        return True  # the file is shared with an older layer
    return _is_finished(found, place.path)


def _is_finished(found: Difference, folder: Path) -> bool:
    """Return whether a difference is what finishing a layer makes on Windows: the path of its base Python."""
    if os.name != "nt" or found.path != "pyvenv.cfg" or found.change not in (Change.CONTENT, Change.TIME):
        return False
    lines = (folder / found.path).read_bytes().splitlines(keepends=True)
    published = b"".join(line for line in lines if not line.startswith(_HOME))
    return found.entry is not None and files.sha256(published) == found.entry.sha256


def _is_linked(place: LayerPlace, below: LayerPlace, pool: FramePool) -> bool:
    """Return whether what stands beside a layer for one below it is that: a link to it, or a copy."""
    beside = place.folder / below.install_target
    if is_link(beside) or not beside.is_dir():
        return os.path.lexists(beside) and leads_to(beside, f"../{below.id}/{below.install_target}")
    try:
        index = decode_index(below.index.read_bytes(), below.index.name)
    except (OSError, ArchiveError):
        return True  # that layer itself is damaged, which is told of it
    changes = {found.change for found in compare_tree(beside, index, pool)}
    return changes <= {Change.BYTECODE}


def _added(facts: DeployedLayerFacts) -> Iterable[str]:
    """Return what does not belong into the folder of a layer's ID."""
    place = facts.place
    known = {LAYER_FOLDER, place.install_target, *(below.install_target for below in facts.below)}
    try:
        names = sorted(os.listdir(place.folder))  # noqa: PTH208 - names are wanted
    except OSError:
        return ()
    return [name for name in names if name not in known and not name.startswith(files.TEMPORARY_PREFIX)]
