"""Applying a delta: what will be done, and the run."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from venvstacks import files
from venvstacks.archives.pool import frame_pool
from venvstacks.archives.staging import DeployedLayer, remove_abandoned
from venvstacks.deltas.apply import apply_delta
from venvstacks.deltas.delta_file import open_delta, read_header
from venvstacks.deltas.delta_format import DeltaHeader
from venvstacks.errors import DeltaError, FilesystemError
from venvstacks.events import Finished, Meter, Planned, Started, Step
from venvstacks.humanize import size_text
from venvstacks.work import Work


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """What applying a delta will do.

    Attributes:
        old: Folder of the old layer.
        delta: The delta.
        destination: Folder of the new layer.
    """

    old: Path
    delta: Path
    header: DeltaHeader  # checked
    start: int  # where its frames begin, in bytes
    destination: Path

    @property
    def size(self) -> int:
        """Bytes of all files of the new layer."""
        return sum(entry.size for entry in self.header.entries)

    @property
    def new_size(self) -> int:
        """Bytes of those that are not in the old layer as they are."""
        return sum(frame.content_size for frame in self.header.frames)


def prepare_patch(old: Path, delta: Path, destination: Path) -> PatchPlan:
    """Read a delta's header, and check that there is what it needs; the files of the old folder are not read."""
    with files.explain_os_errors(f"apply {delta.name}"):
        try:
            header, start = read_header(delta)
        except FileNotFoundError:
            hint = "name a .vdelta file that `venvstacks publish --deltas` has written"
            raise DeltaError(f"There is no delta {delta}.", hint=hint) from None
        plan = PatchPlan(old, delta, header, start, destination)
        _check_places(plan)
    return plan


def _check_places(plan: PatchPlan) -> None:
    if not plan.old.is_dir():
        raise DeltaError(
            f"{plan.delta.name} cannot be applied: there is no folder {plan.old}.",
            hint="name the layer's own folder, as the old archive was unpacked",
        )
    if os.path.lexists(plan.destination):
        raise _taken(plan)
    parent = next(folder for folder in plan.destination.parents if folder.is_dir())
    free = shutil.disk_usage(parent).free
    if plan.size > free:
        raise FilesystemError(
            f"The new layer needs {size_text(plan.size)} in {parent}, and {size_text(free)} are free.",
            hint="free some space, or name a folder on another disk",
        )


def _taken(plan: PatchPlan) -> FilesystemError:
    return FilesystemError(
        f"{plan.delta.name} cannot be applied: {plan.destination} is there already.",
        hint="name a folder that is not there yet",
    )


def run_patch(plan: PatchPlan, work: Work) -> DeployedLayer:
    """Make the folder of the new layer, which appears when it is complete and verified."""
    begin = time.monotonic()
    layer = plan.header.layer_name
    work.observe(Planned(Step.PATCH, (layer,)))
    work.observe(Started(Step.PATCH, layer))
    try:
        remove_abandoned(plan.destination.parent)
        with frame_pool(work) as pool, open_delta(plan.delta, plan.header, plan.start) as delta:
            progress = Meter(work.observe, Step.PATCH, layer, plan.size).add
            apply_delta(delta, plan.old, plan.destination, pool, progress=progress)
    except FileExistsError as error:
        raise _taken(plan) from error
    except OSError as error:
        raise files.explain_os_error(error, f"apply {plan.delta.name}") from error
    summary = f"{size_text(plan.size)}, of which {size_text(plan.new_size)} are new"
    work.observe(Finished(Step.PATCH, layer, changed=True, summary=summary, seconds=time.monotonic() - begin))
    return DeployedLayer(layer, plan.delta, plan.destination, created=True, content_hash=plan.header.content_hash)
