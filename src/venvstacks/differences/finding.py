"""Telling what is other in one thing than in another."""

from collections.abc import Sequence
from pathlib import Path

from venvstacks.archives.comparing import ByteDifference, compare_archives, compare_folders
from venvstacks.differences.compare import compare_states
from venvstacks.differences.model import Difference, LayerState
from venvstacks.differences.reading import is_archive, read_states
from venvstacks.errors import UsageError
from venvstacks.files import explain_os_error


def find_differences(old: Path, new: Path) -> Difference:
    """Tell what became of layers and their packages and files, and what a client must fetch.

    Args:
        old: An archive, an output folder or a manifest in it, a lock file, or a folder with locks.
        new: The same of what is newer.

    Raises:
        UsageError: One of them is nothing of that, or only one of them is a lock.
        ArchiveError: An index is damaged, or not the one that its manifest names.
        InvalidLockError: A lock is damaged.
        FilesystemError: Something cannot be read.
    """
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
    """Tell where archives differ: which entry, and which bytes.

    Args:
        old: An archive, or a folder with archives.
        new: The same of what it is compared with.

    Raises:
        UsageError: They are not two archives or two folders.
        ArchiveError: An archive is not what its index says.
        FilesystemError: Something cannot be read.
    """
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
