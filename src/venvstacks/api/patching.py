"""What is called on target machines to apply a delta."""

import os
from pathlib import Path

from venvstacks.deltas.patch_plan import PatchedLayer, PatchPlan, plan_patch, run_patch
from venvstacks.options import Options
from venvstacks.work import Work


def plan_patching(
    old: str | os.PathLike[str], delta: str | os.PathLike[str], to: str | os.PathLike[str]
) -> PatchPlan:
    """Describe what :func:`patch` would do, with the same parameters; the old folder is not read."""
    places = (Path(path).expanduser().absolute() for path in (old, delta, to))
    return plan_patch(*places)


def patch(
    old: str | os.PathLike[str],
    delta: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    options: Options | None = None,
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
    options = options or Options()
    work = Work(options.observe, options.jobs)
    try:
        return run_patch(plan_patching(old, delta, to), work)
    finally:
        work.cancellation.cancel()
