"""Data and programs of the layers below, linked where packages look for them: under the layer's own prefix.

What packages install into ``share/``, ``etc/`` and the folder of programs is looked for under ``sys.prefix``,
which is that of the layer that was started. So a layer has relative links to what those below it have there.
Layers for Windows, which hold no links, have copies of the data, and no programs: these often need what lies
beside them, and are found through ``PATH``. Data that several layers bring of which one may be missing are copied
as well. No RECORD lists any of this.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from venvstacks.building.build_state import Data
from venvstacks.building.installed import Installed
from venvstacks.building.launch_commands import offered_commands
from venvstacks.building.layer_build import LayerBuild, state_or_empty
from venvstacks.definition.names import is_python
from venvstacks.entries import Entry, EntryKind
from venvstacks.file_names import folded, parents

_DATA = ("etc", "share")
_OWN = "share/venv"


@dataclass(frozen=True, slots=True)
class DataLink:
    """Something in a layer below, which its install target names; of a file that is copied, with its hash."""

    layer: str
    path: str
    digest: str = ""


_Files = list[tuple[str, str | None]]
"""Paths of files in a layer with their hashes; None for what other layers do not link to."""


def data_of(build: LayerBuild, installed: Installed, entries: Sequence[Entry], launcher: str) -> Data:
    """Return what a layer has in its folders of data and programs, except its own launcher."""
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
    return Data(dict(sorted(recorded.items())), tuple(sorted(others)), offered_commands(installed))


def plan_data_links(build: LayerBuild, below: Sequence[LayerBuild]) -> dict[str, DataLink]:
    """Decide which links a layer has to those below it. Of one file, the first on the path is meant."""
    layers: list[tuple[str, _Files]] = []
    for each in (build, *below):
        name, data = "" if each is build else each.lock.install_target, state_or_empty(each).data
        files = [(path, digest if _is_offered(each, path) else None) for path, digest in data.files.items()]
        layers.append((name, [*files, *((path, None) for path in data.others)]))
    return dict(sorted(_merge(build, layers)))


def may_be_missing(build: LayerBuild) -> Collection[str]:
    """Return the install targets of the layers below that may be missing where the layer is used."""
    return tuple(build.configuration.get("optional_layers", ()))


def _is_offered(build: LayerBuild, path: str) -> bool:
    """Return whether layers above link to a file: all data; of programs, none on Windows, and no interpreters."""
    folder, _, name = path.rpartition("/")
    if folder.partition("/")[0] in _DATA:
        return True
    return not build.target.is_windows and not (folder == build.layout.scripts and is_python(name))


def _merge(
    build: LayerBuild, layers: Sequence[tuple[str, _Files]], folder: str = ""
) -> Iterator[tuple[str, DataLink]]:
    """Return the links in a folder (with a slash at its end); the layer's own files are those of the layer ``""``.

    One link leads to a whole folder if only one layer below has it, and offers all of it.
    """
    depth = folder.count("/")
    by_name: dict[str, list[tuple[str, _Files]]] = {}
    for layer, files in layers:
        named: dict[str, _Files] = {}
        for path, digest in files:
            name = path.split("/", depth + 1)[depth]
            named.setdefault(name if build.target.os == "linux" else folded(name), []).append((path, digest))
        for name, found in named.items():
            if not layer or found[0][1] is not None or not _is_file(found, depth):
                by_name.setdefault(name, []).append((layer, found))
    for having in by_name.values():
        layer, files = having[0]
        path, digest = "/".join(files[0][0].split("/")[: depth + 1]), files[0][1]
        place = folder + path.rpartition("/")[2]
        folders = [(other, found) for other, found in having if not _is_file(found, depth)]
        if not _is_file(files, depth):
            is_whole = len(folders) == 1 and all(digest is not None for _, digest in files)
            if layer and is_whole and not build.target.is_windows:
                yield place, DataLink(layer, path)
            else:
                yield from _merge(build, folders, f"{place}/")
        elif layer:
            is_same = any(_is_file(found, depth) and found[0][1] == digest for _, found in having[1:])
            is_optional = path.partition("/")[0] in _DATA and layer in may_be_missing(build)
            is_copied = build.target.is_windows or (is_optional and is_same)
            yield place, DataLink(layer, path, (digest or "") if is_copied else "")


def _is_file(files: _Files, depth: int) -> bool:
    """Return whether what has one name in a folder of that depth is a file, and no folder with files."""
    return files[0][0].count("/") == depth


def apply_data_links(
    build: LayerBuild, below: Sequence[LayerBuild], links: Mapping[str, DataLink], staging: Path
) -> None:
    """Make the links in an unfinished layer."""
    folders = {lower.lock.install_target: lower.folder for lower in below}
    for path, link in links.items():
        place = staging / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if link.digest or build.target.is_windows:
            shutil.copyfile(folders[link.layer] / link.path, place)
        else:
            place.unlink(missing_ok=True)  # what gives way
            place.symlink_to(f"{'../' * (path.count('/') + 1)}{link.layer}/{link.path}")
