"""Telling what is other in one thing than in another."""

from collections.abc import Sequence
from pathlib import Path

from venvstacks.archives.byte_comparison import ByteDifference, compare_archives, compare_folders
from venvstacks.differences.changes import Difference, LayerState
from venvstacks.differences.compare import compare_states
from venvstacks.differences.snapshots import is_archive, read_states
from venvstacks.errors import UsageError
from venvstacks.files import explain_os_error


def find_differences(old: Path, new: Path) -> Difference:
    """Return what became of layers and their packages and files, and what a client must fetch."""
    try:
        olds, news = read_states(old), read_states(new)
    except OSError as error:
        raise explain_os_error(error, f"compare {old} with {new}") from error
    if _are_locks(olds) != _are_locks(news):
        lock, other = (old, new) if _are_locks(olds) else (new, old)
        raise UsageError(
            f"{lock} is a lock, and {other} is not.", hint="compare locks with locks, and archives with archives"
        )
    return compare_states(olds, news)


def find_byte_differences(old: Path, new: Path) -> tuple[ByteDifference, ...]:
    """Return where archives differ: which entry, and which bytes."""
    try:
        if old.is_dir() and new.is_dir():
            return tuple(compare_folders(old, new))
        if all(is_archive(path) and path.is_file() for path in (old, new)):
            return tuple(compare_archives(old, new))
    except OSError as error:
        raise explain_os_error(error, f"compare {old} with {new}") from error
    raise UsageError(
        f"The bytes of {old} and {new} cannot be compared.", hint="name two archives, or two folders with archives"
    )


def _are_locks(states: Sequence[LayerState]) -> bool:
    return all(state.archive_size is None for state in states)
