"""Repairing one layer: what is damaged is replaced file by file, and what does not belong there is moved away.

No file is ever written to where it is, as it may be shared with other layers through hard links. What a killed run
has not done, the next one finds again.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from venvstacks import files
from venvstacks.archives.index import IndexEntry
from venvstacks.deploying.links import is_link, make_link
from venvstacks.deploying.places import Home, LayerPlace
from venvstacks.deploying.repair_plan import LayerRepair, topmost
from venvstacks.errors import DeploymentError

Fetch = Callable[[LayerRepair, Path], None]
"""Writes the files of a layer that have to be fetched below a folder, each verified, with mode and time."""


class AddedFiles:
    """Where what no layer has is moved to: a folder of its own for each run."""

    def __init__(self, home: Home) -> None:
        self._home = home
        numbers = [int(path.name) for path in home.added.glob("*") if path.name.isdecimal()]
        self.folder = home.added / str(max(numbers, default=0) + 1)
        self.moved: list[Path] = []

    def take(self, path: Path) -> None:
        """Move something there, under the same path; nothing happens if it is gone."""
        if not os.path.lexists(path):
            return
        place = self.folder / path.relative_to(self._home.root)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
        self.moved.append(place)


def repair_layer(repair: LayerRepair, added: AddedFiles, fetch: Fetch) -> None:
    """Repair a layer whose folder is there."""
    place = repair.checked.facts.place
    if repair.index is not None:
        files.write_bytes(place.index, repair.index.data)
    stage = files.temporary_beside(place.path)
    stage.mkdir()
    try:
        if repair.fetched:
            fetch(repair, stage)
        for path in topmost(repair.moved):
            added.take(place.folder / path)
        _make_folders(repair.folders, place)
        _make_links(repair.links, place, stage)
        mtime = repair.checked.index[0].mtime if repair.checked.index is not None else 0
        for entry in repair.copied:
            _copy(entry, mtime, place, stage)
        for entry in repair.fetched:
            _put(stage / entry.path, place.path / entry.path)
        _reset_times(repair, place, mtime)
    finally:
        files.remove_tree(stage)
    for below in repair.relinked:
        _relink(place, below, added)


def _make_folders(entries: Iterable[IndexEntry], place: LayerPlace) -> None:
    for entry in entries:
        path = place.path / entry.path
        path.mkdir(exist_ok=True)
        path.chmod(entry.mode)


def _make_links(entries: Iterable[IndexEntry], place: LayerPlace, stage: Path) -> None:
    for number, entry in enumerate(entries):
        temporary, path = stage / f"link-{number}", place.path / entry.path
        temporary.symlink_to(entry.target, target_is_directory=(path.parent / entry.target).is_dir())
        _put(temporary, path)


def _copy(entry: IndexEntry, mtime: int, place: LayerPlace, stage: Path) -> None:
    """Make a new file of one that has the right content, and the wrong mode or time."""
    temporary, path = stage / "copy", place.path / entry.path
    shutil.copyfile(path, temporary)
    temporary.chmod(entry.mode)
    os.utime(temporary, (mtime, mtime))
    files.flush(temporary)
    _put(temporary, path)


def _put(new: Path, path: Path) -> None:
    """Put a file into its place; one that a program has open there, as on Windows, is renamed first."""
    try:
        new.replace(path)
    except PermissionError:
        if os.name != "nt" or not path.is_file():
            raise
        path.replace(new.with_name(f"{new.name}.old"))
        new.replace(path)


def _reset_times(repair: LayerRepair, place: LayerPlace, mtime: int) -> None:
    """Give the folders in which something was changed their time again."""
    for folder in {(place.path / entry.path).parent for entry in repair.entries}:
        os.utime(folder, (mtime, mtime))


def _relink(place: LayerPlace, below: LayerPlace, added: AddedFiles) -> None:
    beside, target = place.folder / below.install_target, f"../{below.id}/{below.install_target}"
    temporary = files.temporary_beside(beside)
    if not make_link(temporary, target):
        raise DeploymentError(
            f"{beside} cannot be repaired: the file system has no links.",
            hint="remove the folder, and run `venvstacks deploy` again",
        )
    if not is_link(beside):
        added.take(beside)
    elif not beside.is_symlink():  # a junction, which nothing can be renamed over
        beside.rmdir()
    temporary.replace(beside)
