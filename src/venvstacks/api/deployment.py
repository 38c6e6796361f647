"""Unpacking archives and applying deltas on target machines, without anything that building needs."""

import os
from collections.abc import Sequence

from venvstacks.archives.staging import DeployedLayer
from venvstacks.archives.unpack_plan import PlannedUnpack, prepare_unpack, run_unpack
from venvstacks.deltas.patch_plan import PatchPlan, prepare_patch, run_patch
from venvstacks.errors import require_collection
from venvstacks.file_names import expanded
from venvstacks.options import Options
from venvstacks.work import Work


def plan_unpacking(
    archives: Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    force: bool = False,
    options: Options | None = None,
) -> tuple[PlannedUnpack, ...]:
    """Return what :func:`unpack` would do, with the same parameters."""
    require_collection(archives=archives)
    places = [expanded(archive) for archive in archives]
    return prepare_unpack(places, expanded(to).absolute(), force=force, work=_work(options))


def unpack(
    archives: Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    force: bool = False,
    options: Options | None = None,
) -> tuple[DeployedLayer, ...]:
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
    return run_unpack(plan_unpacking(archives, to, force=force, options=options), _work(options))


def plan_patching(
    old: str | os.PathLike[str], delta: str | os.PathLike[str], to: str | os.PathLike[str]
) -> PatchPlan:
    """Return what :func:`patch` would do, with the same parameters; the old folder is not read."""
    places = (expanded(path).absolute() for path in (old, delta, to))
    return prepare_patch(*places)


def patch(
    old: str | os.PathLike[str],
    delta: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    options: Options | None = None,
) -> DeployedLayer:
    """Make a new layer's folder from the old one and a delta; it is what unpacking the new archive makes.

    Args:
        old: Folder of the old layer, only read; relative to the current folder, as the others.
        delta: The delta.
        to: Folder of the new layer; must not be there.
        options: How; of these, only ``jobs`` and ``observe`` count.

    Raises:
        DeltaError: A file of the old folder is not what was published, or the delta is missing or damaged.
        FilesystemError: Something is there under the new folder's name, or cannot be written.
    """
    return run_patch(plan_patching(old, delta, to), _work(options))


def _work(options: Options | None) -> Work:
    return Work() if options is None else Work(options.observe, options.jobs)
