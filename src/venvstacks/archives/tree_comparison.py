"""Whether a folder is what unpacking an archive makes, and where it is not."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.archives.pool import FramePool
from venvstacks.entries import BYTECODE_FOLDER, EntryKind, batches
from venvstacks.file_names import parents

_BATCH_FILES = 64
_BATCH_SIZE = 8 << 20
_KINDS = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.FOLDER, stat.S_IFLNK: EntryKind.SYMLINK}


class Change(StrEnum):
    """What is different about an entry."""

    MISSING = "missing"
    KIND = "kind"
    CONTENT = "content"
    MODE = "mode"
    TIME = "time"
    UNREADABLE = "unreadable"
    ADDED = "added"
    BYTECODE = "bytecode"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a folder differs from what an archive holds.

    Attributes:
        path: POSIX path relative to the folder; empty for the folder itself.
        change: What is different: of an entry that is there with the right content, only its mode or its time;
            bytecode is what Python writes beside a source that the archive holds.
        entry: What the archive holds there; None for what is added, and for the folder itself.
        error: Why it is unreadable.
    """

    path: str
    change: Change
    entry: IndexEntry | None = None
    error: OSError | None = None


def tree_difference(folder: Path, index: ArchiveIndex, pool: FramePool) -> str | None:
    """Describe where a folder differs from what an archive holds, all contents read until something is found.

    Bytecode that Python has written meanwhile is no difference.
    """
    for found in compare_tree(folder, index, pool):
        if found.error is not None:
            raise found.error
        if not found.path:
            return "is not a folder"
        if found.change is Change.ADDED and BYTECODE_FOLDER not in found.path.split("/"):
            return f"holds {found.path!r}, which the archive does not"
        if found.change is Change.MISSING:
            return f"lacks {found.path!r}"
        if found.change not in (Change.ADDED, Change.BYTECODE):
            return f"holds another {found.path!r}"
    return None


def compare_tree(folder: Path, index: ArchiveIndex, pool: FramePool) -> Iterator[Difference]:
    """Find where a folder differs from what an archive holds, all contents read; what is added comes first.

    What is in an added folder is not listed. What is behind a link in the place of a folder is missing.
    """
    top = os.fspath(folder)
    if not folder.is_dir() or folder.is_symlink():
        yield Difference("", Change.KIND if os.path.lexists(folder) else Change.MISSING)
        return
    yield from _added(top, "", {entry.path: entry for entry in index.entries})
    hidden: set[str] = set()
    others: list[IndexEntry] = []
    for entry in index.entries:
        if hidden and any(parent in hidden for parent in parents(entry.path)):
            hidden.add(entry.path)
            yield Difference(entry.path, Change.MISSING, entry)
        elif entry.type is not EntryKind.FOLDER:
            others.append(entry)
        elif found := _compare(top, entry, index.mtime):
            if found.change in (Change.MISSING, Change.KIND):
                hidden.add(entry.path)
            yield found
    compared = batches(others, _BATCH_FILES, _BATCH_SIZE)
    for differences in pool.in_order(compared, lambda batch: _compare_all(top, batch, index.mtime)):
        yield from differences


def is_beside_source(path: str, known: Mapping[str, IndexEntry]) -> bool:
    """Return whether a path is where Python writes the bytecode of a known source."""
    folder, _, name = path.rpartition("/")
    parent, _, last = f"/{folder}".rpartition("/")
    module = name.partition(".")[0]
    source = f"{parent}/{module}.py".lstrip("/")
    return last == BYTECODE_FOLDER and name.endswith(".pyc") and source in known


def _added(folder: str, prefix: str, known: Mapping[str, IndexEntry]) -> Iterator[Difference]:
    try:
        with os.scandir(folder) as found:
            items = sorted(found, key=lambda item: item.name)
    except OSError as error:
        yield Difference(prefix.rstrip("/"), Change.UNREADABLE, known.get(prefix.rstrip("/")), error)
        return
    for item in items:
        path = prefix + item.name
        is_folder = item.is_dir(follow_symlinks=False)
        if path in known or (is_folder and item.name == BYTECODE_FOLDER):
            if is_folder and (path not in known or known[path].type is EntryKind.FOLDER):
                yield from _added(item.path, f"{path}/", known)
        elif item.is_file(follow_symlinks=False) and is_beside_source(path, known):
            yield Difference(path, Change.BYTECODE)
        else:
            yield Difference(path, Change.ADDED)


def _compare_all(folder: str, entries: Sequence[IndexEntry], mtime: int) -> list[Difference]:
    return [found for entry in entries if (found := _compare(folder, entry, mtime))]


def _compare(folder: str, entry: IndexEntry, mtime: int) -> Difference | None:
    try:
        change = _change(entry, f"{folder}/{entry.path}", mtime)
    except (FileNotFoundError, NotADirectoryError):
        change = Change.MISSING
    except OSError as error:
        return Difference(entry.path, Change.UNREADABLE, entry, error)
    return Difference(entry.path, change, entry) if change else None


def _change(entry: IndexEntry, path: str, mtime: int) -> Change | None:
    info = os.lstat(path)
    if _KINDS.get(stat.S_IFMT(info.st_mode)) is not entry.type:
        return Change.KIND
    if entry.type is EntryKind.SYMLINK:
        same = os.readlink(path).replace(os.sep, "/") == entry.target  # noqa: PTH115 - a Path an entry is slow
        return None if same else Change.CONTENT
    if entry.type is EntryKind.FILE and not _has_content(entry, path, info):
        return Change.CONTENT
    if os.name == "posix" and stat.S_IMODE(info.st_mode) != entry.mode:
        return Change.MODE
    return Change.TIME if entry.type is EntryKind.FILE and int(info.st_mtime) != mtime else None


def _has_content(entry: IndexEntry, path: str, info: os.stat_result) -> bool:
    if info.st_size != entry.size:
        return False
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
