"""Finding what changed from one side to the other."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from venvstacks.archives.byte_comparison import ByteDifference, compare_archives, compare_folders
from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.differences.changes import (
    ChangeStatus,
    Difference,
    Fetch,
    FileChange,
    LayerDifference,
    PackageChange,
)
from venvstacks.differences.snapshots import LayerState, is_archive, read_states
from venvstacks.entries import EntryKind
from venvstacks.errors import UsageError
from venvstacks.files import explain_os_errors


def find_differences(old: Path, new: Path) -> Difference:
    """Return what became of layers and their packages and files, and what a client must fetch."""
    with explain_os_errors(f"compare {old} with {new}"):
        olds, news = read_states(old), read_states(new)
    are_locks = [all(state.archive_size is None for state in side) for side in (olds, news)]
    if are_locks[0] != are_locks[1]:
        lock, other = (old, new) if are_locks[0] else (new, old)
        raise UsageError(
            f"{lock} is a lock, and {other} is not.", hint="compare locks with locks, and archives with archives"
        )
    return compare_states(olds, news)


def find_byte_differences(old: Path, new: Path) -> tuple[ByteDifference, ...]:
    """Return where archives differ: which entry, and which bytes."""
    with explain_os_errors(f"compare {old} with {new}"):
        if old.is_dir() and new.is_dir():
            return tuple(compare_folders(old, new))
        if all(is_archive(path) and path.is_file() for path in (old, new)):
            return tuple(compare_archives(old, new))
    raise UsageError(
        f"The bytes of {old} and {new} cannot be compared.", hint="name two archives, or two folders with archives"
    )


def compare_states(old: Sequence[LayerState], new: Sequence[LayerState]) -> Difference:
    """Return what became of layers.

    Layers are the same if they have the same name and platform; if each side has but one, these are compared.
    """
    if len(old) == len(new) == 1:
        pairs: list[tuple[LayerState | None, LayerState | None]] = [(old[0], new[0])]
    else:
        olds, news = ({(state.platform, state.name): state for state in side} for side in (old, new))
        pairs = [(olds.get(key), news.get(key)) for key in sorted(olds.keys() | news.keys())]
    had = {entry.sha256 for state in old if state.index is not None for entry in state.index.entries}
    return Difference(tuple(_layer(one, two, had) for one, two in pairs))


def _layer(old: LayerState | None, new: LayerState | None, had: Collection[str]) -> LayerDifference:
    state = new or old
    assert state is not None  # noqa: S101 - each pair has a side
    if old is None or new is None:
        status = ChangeStatus.ADDED if old is None else ChangeStatus.REMOVED
    else:
        status = ChangeStatus.UNCHANGED if old.identity == new.identity else ChangeStatus.CHANGED
    files, unchanged = _files(old, new)
    fetch = None if new is None or status is ChangeStatus.UNCHANGED else _fetch(old, new, had)
    return LayerDifference(state.name, state.platform, status, _packages(old, new), files, unchanged, fetch)


def _packages(old: LayerState | None, new: LayerState | None) -> tuple[PackageChange, ...] | None:
    olds = old.packages if old is not None else {}
    news = new.packages if new is not None else {}
    if olds is None or news is None:
        return None
    changes = []
    for name in sorted(olds.keys() | news.keys()):
        other_files = old is not None and new is not None and old.files.get(name) != new.files.get(name)
        if olds.get(name) != news.get(name) or other_files:
            changes.append(PackageChange(name, olds.get(name), news.get(name)))
    return tuple(changes)


def _files(old: LayerState | None, new: LayerState | None) -> tuple[tuple[FileChange, ...] | None, int]:
    """Return which files and links changed, None if that is not known, and how many did not."""
    if any(side is not None and side.index is None for side in (old, new)):
        return None, 0
    olds, news = (_by_path(side.index if side is not None else None) for side in (old, new))
    changes, unchanged = [], 0
    for path in sorted(olds.keys() | news.keys()):
        before, after = olds.get(path), news.get(path)
        if before is not None and after is not None and _facts(before) == _facts(after):
            unchanged += 1
        else:
            sizes = (None if entry is None else entry.size for entry in (before, after))
            changes.append(FileChange(path, *sizes))
    return tuple(changes), unchanged


def _by_path(index: ArchiveIndex | None) -> Mapping[str, IndexEntry]:
    entries = () if index is None else index.entries
    return {entry.path: entry for entry in entries if entry.type is not EntryKind.FOLDER}


def _facts(entry: IndexEntry) -> tuple[object, ...]:
    return entry.type, entry.mode, entry.target, entry.sha256


def _fetch(old: LayerState | None, new: LayerState, had: Collection[str]) -> Fetch | None:
    if new.archive_size is None:
        return None
    delta = None if old is None or old.index is None else new.deltas.get(old.index.content_hash)
    frames = None if new.index is None else new.index_size + lacking_size(new.index, had)
    return Fetch(new.archive_size, frames, delta)


def lacking_size(index: ArchiveIndex, had: Collection[str]) -> int:
    """Add up the frames that hold some of a file which a client lacks."""
    files = (entry for entry in index.entries if entry.type is EntryKind.FILE and entry.sha256 not in had)
    lacking = {number for entry in files for number, _, _ in index.pieces(entry)}
    return sum(index.frames[number].size for number in lacking)
