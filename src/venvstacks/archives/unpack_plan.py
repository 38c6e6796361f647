"""Unpacking layers side by side into a folder: what will be done, and doing it."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from venvstacks import files
from venvstacks.archives.archive_reader import open_archive, read_index
from venvstacks.archives.extraction import unpack_archive
from venvstacks.archives.frame_layout import FrameParts
from venvstacks.archives.index import ArchiveIndex, IndexEntry
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.archives.staging import DeployedLayer, remove_abandoned
from venvstacks.archives.tree_comparison import tree_difference
from venvstacks.errors import FilesystemError, UsageError
from venvstacks.events import Finished, Meter, Planned, Started, Step
from venvstacks.humanize import size_text
from venvstacks.work import Task, Work, run_tasks


class UnpackAction(StrEnum):
    """What is done about a layer's folder."""

    CREATE = "create"
    REPLACE = "replace"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PlannedUnpack:
    """What will be done about one archive.

    Attributes:
        archive: The archive.
        destination: The layer's folder.
        action: Whether the folder is made, replaced, or what it should be already.
    """

    archive: Path
    index: ArchiveIndex  # checked
    contents: tuple[FrameParts[IndexEntry], ...]  # of each frame
    destination: Path
    action: UnpackAction

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.index.entries)


def prepare_unpack(
    archives: Sequence[Path], folder: Path, *, force: bool, work: Work
) -> tuple[PlannedUnpack, ...]:
    """Read the indexes of archives and what is there under their names, and return what unpacking will do."""
    planned: dict[str, PlannedUnpack] = {}
    with frame_pool(work) as pool:
        for archive in archives:
            with files.explain_os_errors(f"unpack {archive.name}"):
                index, contents = read_index(archive)
                destination = folder / index.install_target
                action = _choose_action(archive, index, destination, pool, force=force)
            other = planned.get(index.install_target)
            if other is not None:
                raise UsageError(
                    f"{other.archive.name} and {archive.name} are both unpacked as {index.install_target}.",
                    hint="unpack one of them, or each into a folder of its own",
                )
            planned[index.install_target] = PlannedUnpack(archive, index, contents, destination, action)
    return tuple(planned.values())


def _choose_action(
    archive: Path, index: ArchiveIndex, destination: Path, pool: FramePool, *, force: bool
) -> UnpackAction:
    if not os.path.lexists(destination):
        return UnpackAction.CREATE
    difference = tree_difference(destination, index, pool)
    if difference is None:
        return UnpackAction.KEEP
    if force:
        return UnpackAction.REPLACE
    raise FilesystemError(
        f"Cannot unpack {archive.name}: {destination} is there and {difference}.",
        hint="use --force to replace it, or choose another folder",
    )


def run_unpack(plan: Sequence[PlannedUnpack], work: Work) -> tuple[DeployedLayer, ...]:
    """Unpack archives, each into a folder that appears when it is complete and verified."""
    work.observe(Planned(Step.UNPACK, tuple(planned.index.layer_name for planned in plan)))
    for folder in {planned.destination.parent for planned in plan}:
        _prepare(folder, [planned for planned in plan if planned.destination.parent == folder])
    largest_first = sorted(plan, key=lambda planned: -planned.size)
    with frame_pool(work) as pool:
        tasks = [
            Task(f"unpack {planned.archive.name}", planned.destination, (), partial(_unpack, planned, pool, work))
            for planned in largest_first
        ]
        done = run_tasks(tasks, work)
    return tuple(done[planned.destination] for planned in plan)


def _prepare(folder: Path, plan: Sequence[PlannedUnpack]) -> None:
    """Make the folder, clean it of what killed runs left, and ensure that there is room.

    The sizes that an index claims are compared with the disk's before anything is written.
    """
    needed = sum(planned.size for planned in plan if planned.action is not UnpackAction.KEEP)
    with files.explain_os_errors(f"use the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise FilesystemError(
            f"The layers need {size_text(needed)} in {folder}, and {size_text(free)} are free.",
            hint="free some space, or choose another folder",
        )


def _unpack(planned: PlannedUnpack, pool: FramePool, work: Work, _: Mapping[Path, DeployedLayer]) -> DeployedLayer:
    begin = time.monotonic()
    index, name = planned.index, planned.archive.name
    platform = index.target_platform
    work.observe(Started(Step.UNPACK, index.layer_name, platform))
    created = planned.action is not UnpackAction.KEEP
    if created:
        with (
            files.explain_os_errors(f"unpack {name}"),
            open_archive(planned.archive, (index, planned.contents)) as reader,
        ):
            unpack_archive(
                reader,
                planned.destination,
                pool,
                replace=planned.action is UnpackAction.REPLACE,
                progress=Meter(work.observe, Step.UNPACK, index.layer_name, planned.size, platform).add,
            )
    summary = size_text(planned.size) if created else "unchanged"
    seconds = time.monotonic() - begin
    work.observe(Finished(Step.UNPACK, index.layer_name, created, summary, seconds, platform))
    return DeployedLayer(index.layer_name, planned.archive, planned.destination, created, index.content_hash)
