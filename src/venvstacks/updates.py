"""What is called around updates: tell differences, apply a delta."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks.deltas.patching import PatchedLayer, PatchPlan, plan_patch, run_patch
from venvstacks.differences.finding import find_differences
from venvstacks.differences.model import Difference
from venvstacks.work import Work

if TYPE_CHECKING:
    from venvstacks.runs import Options


def plan_patching(
    old: str | os.PathLike[str], delta: str | os.PathLike[str], to: str | os.PathLike[str]
) -> PatchPlan:
    """Say what :func:`patch` would do, with the same parameters; the old folder is not read."""
    places = (Path(path).expanduser().absolute() for path in (old, delta, to))
    return plan_patch(*places)


def patch(
    old: str | os.PathLike[str],
    delta: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    options: "Options | None" = None,
) -> PatchedLayer:
    """Make a new layer's folder from the old one and a delta; it is what unpacking the new archive makes.

    Args:
        old: Folder of the old layer, only read; relative to the current folder, as the others.
        delta: The delta.
        to: Folder of the new layer; must not be there.
        options: How; of these, only ``jobs`` and ``observe`` count.

    Raises:
        DeltaError: A file of the old folder is not what was published, or the delta is damaged.
        FilesystemError: Something is there under the new folder's name, or cannot be written.
    """
    work = Work() if options is None else Work(options.observe, options.jobs)
    try:
        return run_patch(plan_patching(old, delta, to), work)
    finally:
        work.cancellation.cancel()


def diff(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Difference:
    """Tell what became of layers, packages and files, and how much a client that has the old ones must fetch.

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
    return find_differences(*(Path(path).expanduser().absolute() for path in (old, new)))
