"""Data and programs of the layers below, shown where packages look for them: under the layer's own prefix.

What packages install into ``share/``, ``etc/`` and the folder of programs is looked for under ``sys.prefix``,
which is that of the layer that was started. So a layer shows what those below it have there, by relative links to
the layer that brings it. Layers for Windows, which hold no links, have copies of the data, and no programs: these
often need what lies beside them, and are found through ``PATH``. Data that several layers bring of which one may
be missing are copied as well. No RECORD lists what is shown.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvstacks.building.build_state import Data
from venvstacks.building.installed import Installed
from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.names import is_python
from venvstacks.entries import Entry, EntryKind
from venvstacks.file_names import folded, parents

_DATA = ("etc", "share")
_OWN = "share/venv"


@dataclass(frozen=True, slots=True)
class Shown:
    """A file or folder of a layer below.

    Attributes:
        layer: Install target of that layer.
        path: Where it stands in it.
        digest: Of a file that is copied: the hash in RECORD.
    """

    layer: str
    path: str
    digest: str = ""


Showing = Mapping[str, Shown]
"""Path relative to the layer -> what is shown there."""


def data_of(
    build: LayerBuild,
    installed: Installed,
    entries: Sequence[Entry],
    commands: Mapping[str, str],
    launcher: str = "",
) -> Data:
    """Return what a layer has in its folders of data and programs."""
    tops = {*_DATA, build.layout.scripts}
    files = (entry.path for entry in entries if entry.type is not EntryKind.FOLDER)
    present = {path for path in files if path.partition("/")[0] in tops}
    recorded = {
        row.path: row.digest
        for each in installed
        for row in each.rows
        if row.path in present and not row.path.startswith(f"{_OWN}/")
    }
    shared = tops.union(*map(parents, recorded))
    others = {
        next((parent for parent in parents(path) if parent not in shared), path)
        for path in present - recorded.keys() - {launcher}
    }
    return Data(dict(sorted(recorded.items())), tuple(sorted(others)), commands)


def plan_showing(build: LayerBuild, below: Sequence[LayerBuild], data: Sequence[Data]) -> Showing:
    """Decide what a layer shows of those below it. Of one file, the first on the path is meant."""
    merger = _Merger(build.target.is_windows, build.target.os == "linux", frozenset(may_be_missing(build)))
    own, *others = data
    trees = [merger.tree("", {**own.files, **dict.fromkeys(own.others)})]
    for lower, found in zip(below, others, strict=True):
        offered = {path: digest if _is_offered(lower, path) else None for path, digest in found.files.items()}
        trees.append(merger.tree(lower.lock.install_target, {**offered, **dict.fromkeys(found.others)}))
    return dict(sorted(merger.shown(trees)))


def may_be_missing(build: LayerBuild) -> Collection[str]:
    """Return the install targets of the layers below that may be missing where the layer is used."""
    optional: Mapping[str, Any] = build.configuration.get("optional_layers", {})
    return optional.keys()


def _is_offered(build: LayerBuild, path: str) -> bool:
    """Return what layers above show: all data; of programs, none on Windows, and no interpreters elsewhere."""
    folder, _, name = path.rpartition("/")
    if folder.partition("/")[0] in _DATA:
        return True
    return not build.target.is_windows and not (folder == build.layout.scripts and is_python(name))


@dataclass(frozen=True, slots=True)
class _Node:
    """Something in a layer.

    Attributes:
        layer: Install target of the layer; empty for the one that shows.
        path: Where it stands in it.
        content: What a folder holds, by a key of each path; the hash of a file; None for what is not offered.
    """

    layer: str
    path: str
    content: "dict[str, _Node] | str | None"

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class _Merger:
    """Decides folder by folder.

    Attributes:
        is_copied: Whether everything is copied.
        keeps_case: Whether names that differ only in case are different.
        optional: Install targets of layers that may be missing.
    """

    is_copied: bool
    keeps_case: bool
    optional: frozenset[str]

    def tree(self, layer: str, contents: Mapping[str, str | None]) -> _Node:
        folders: dict[str, dict[str, _Node]] = {"": {}}
        for path, content in contents.items():
            place = folders[""]
            for parent in parents(path):
                key = self._key(parent)
                if key not in folders:
                    folders[key] = {}
                    place[key] = _Node(layer, parent, folders[key])
                place = folders[key]
            place[self._key(path)] = _Node(layer, path, content)
        return _Node(layer, "", folders[""])

    def _key(self, path: str) -> str:
        return path if self.keeps_case else folded(path)

    def shown(self, folders: Sequence[_Node], prefix: str = "") -> Iterator[tuple[str, Shown]]:
        """Return what is shown in a folder that some layers have, in path order."""
        contents = [node.content for node in folders if isinstance(node.content, dict)]
        for key in dict.fromkeys(key for content in contents for key in content):
            nodes = [content[key] for content in contents if key in content]
            nodes = [node for node in nodes if node.content is not None or not node.layer]
            if not nodes:
                continue
            first, path = nodes[0], f"{prefix}{nodes[0].name}"
            if not isinstance(first.content, dict):
                if first.layer:
                    yield path, Shown(first.layer, first.path, self._copied(nodes))
            elif self.is_copied or not _is_whole(nodes):
                yield from self.shown(nodes, f"{path}/")
            else:
                yield path, Shown(first.layer, first.path)

    def _copied(self, nodes: Sequence[_Node]) -> str:
        """Return the hash of a file that is copied: also if its layer may be missing and another has the same."""
        first = nodes[0]
        is_data = first.path.partition("/")[0] in _DATA
        is_same = any(node.content == first.content for node in nodes[1:])
        is_copied = self.is_copied or (is_data and first.layer in self.optional and is_same)
        return first.content if is_copied and isinstance(first.content, str) else ""


def _is_whole(nodes: Sequence[_Node]) -> bool:
    """Return whether one link can show a folder: only one layer below has it, and all of it is offered."""
    first = nodes[0]
    alone = not any(isinstance(node.content, dict) for node in nodes[1:])
    return bool(first.layer) and alone and _is_offered_whole(first)


def _is_offered_whole(node: _Node) -> bool:
    if isinstance(node.content, dict):
        return all(map(_is_offered_whole, node.content.values()))
    return node.content is not None


def apply_showing(build: LayerBuild, below: Sequence[LayerBuild], showing: Showing, staging: Path) -> None:
    """Carry a decision out in an unfinished layer."""
    folders = {lower.lock.install_target: lower.folder for lower in below}
    for path, shown in showing.items():
        place = staging / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if shown.digest or build.target.is_windows:
            shutil.copyfile(folders[shown.layer] / shown.path, place)
        else:
            place.unlink(missing_ok=True)  # what gives way
            place.symlink_to(f"{'../' * (path.count('/') + 1)}{shown.layer}/{shown.path}")
