"""What is called to tell differences."""

import os
from pathlib import Path

from venvstacks.differences.changes import Difference
from venvstacks.differences.compare import find_differences


def diff(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Difference:
    """Return what became of layers, packages and files, and how much a client that has the old ones must fetch.

    Args:
        old: An archive with its index beside it, an output folder or a manifest in it, a lock file, or a folder
            with locks; relative to the current folder.
        new: The same of what is newer.

    Raises:
        UsageError: One of them is nothing of that, or only one of them is a lock.
        ArchiveError: An index is damaged, or not the one that its manifest names.
        InvalidLockError: A lock is damaged.
        FilesystemError: Something cannot be read.
    """
    return find_differences(*(Path(path).expanduser() for path in (old, new)))
