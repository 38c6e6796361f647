"""What is called on target machines to unpack archives."""

import os
from collections.abc import Sequence
from pathlib import Path

from venvstacks.archives.unpack_plan import PlannedUnpack, UnpackedLayer, plan_unpack, run_unpack
from venvstacks.errors import require_collection
from venvstacks.options import Options
from venvstacks.work import Work


def plan_unpacking(
    archives: Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    force: bool = False,
    options: Options | None = None,
) -> tuple[PlannedUnpack, ...]:
    """Describe what :func:`unpack` would do, with the same parameters."""
    require_collection(archives=archives)
    options = options or Options()
    folder = Path(to).expanduser().absolute()
    return plan_unpack([Path(archive) for archive in archives], folder, force=force, work=Work(jobs=options.jobs))


def unpack(
    archives: Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    force: bool = False,
    options: Options | None = None,
) -> tuple[UnpackedLayer, ...]:
    """Unpack published archives side by side into a folder, verified by their indexes while they are written.

    Args:
        archives: The archives, each with its index beside it; relative to the current folder.
        to: What will hold the layers' folders; made if it is not there.
        force: Whether to replace what is there and is something else.
        options: How; of these, only ``jobs`` and ``observe`` count.

    Returns:
        The layers, in the order of the archives.

    Raises:
        ArchiveError: An archive or its index is damaged, or holds what no layer may hold.
        FilesystemError: Something else is there under a layer's name, or cannot be written.
    """
    options = options or Options()
    work = Work(options.observe, options.jobs)
    try:
        return run_unpack(plan_unpacking(archives, to, force=force, options=options), work)
    finally:
        work.cancellation.cancel()
