"""Carrying out the repair of a deployment; the caller holds it."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from venvstacks import files
from venvstacks.deploying.durability import make_durable
from venvstacks.deploying.fetch_files import fetch_files
from venvstacks.deploying.fetch_plan import plan_layers
from venvstacks.deploying.generations import switch
from venvstacks.deploying.inventory import read_inventory
from venvstacks.deploying.launchers import PROGRAMS, STARTS
from venvstacks.deploying.layer_indexes import LayerIndex, read_indexes
from venvstacks.deploying.own_files import OwnFile
from venvstacks.deploying.places import Home
from venvstacks.deploying.provide import provide_layers
from venvstacks.deploying.prune import remove_leftovers
from venvstacks.deploying.repair_layer import AddedFiles, repair_layer
from venvstacks.deploying.repair_plan import LayerRepair, Origin, RepairPlan
from venvstacks.events import Finished, Planned, Started, Step
from venvstacks.humanize import counted, size_text
from venvstacks.work import Task, Work, run_tasks


@dataclass(frozen=True, slots=True)
class Repaired:
    """What repairing a deployment did.

    Attributes:
        plan: What was done.
        moved: What was moved away: the places where it is now.
    """

    plan: RepairPlan
    moved: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {**self.plan.as_json(), "moved_to": [str(path) for path in self.moved]}


def run_repair(plan: RepairPlan, work: Work) -> Repaired:
    """Make again what is damaged, and move away what does not belong there.

    Raises:
        StoreError: Something cannot be fetched.
        FilesystemError: The system refuses to write.
    """
    root = plan.report.root
    run = _Run(plan, Home(root), work)
    work.observe(Planned(Step.REPAIR, tuple(each.checked.facts.layer_name for each in plan.layers)))
    with files.explain_os_errors(f"repair the deployment in {root}"):
        run.remove_leftovers()
        run.repair_layers([each for each in plan.layers if not each.again])
        for each in plan.layers:
            if each.again and each.origin is not None:
                run.deploy_again(each, each.origin)
        for file in plan.launchers:
            run.write_launcher(file)
        for home, number in plan.switches:
            switch(home, number)
        run.remove_downloads()
    return Repaired(plan, tuple(run.added.moved))


class _Run:
    """The parts of a repair."""

    def __init__(self, plan: RepairPlan, home: Home, work: Work) -> None:
        self.added = AddedFiles(home)
        self._plan = plan
        self._home = home
        self._work = work

    def remove_leftovers(self) -> None:
        """Remove what a repair that was killed has left, but for what it has fetched."""
        report = self._plan.report
        remove_leftovers(report.root)
        for layer in report.layers:
            for folder in (layer.facts.place.folder, layer.facts.place.index.parent):
                files.remove_leftovers(folder)
        for product in report.own_files.products:
            for number in product.generations:
                for name in (PROGRAMS, STARTS):
                    files.remove_leftovers(product.home.generation(number) / name)

    def remove_downloads(self) -> None:
        """Remove what is of no use any more: what was fetched of layers that are whole now."""
        for layer in self._plan.report.layers:
            files.remove_tree(self._home.downloads / layer.facts.place.id)
        with suppress(OSError):  # it is not there, or the next deployment will go on with what is in it
            self._home.downloads.rmdir()

    def repair_layers(self, repairs: Sequence[LayerRepair]) -> None:
        """Repair layers, one after the other: each uses all threads, and an error does not cancel others first."""
        tasks: list[Task[int, None]] = [
            Task(f"repair {each.checked.facts.layer_name}", number, (), partial(self._repair, each))
            for number, each in enumerate(repairs)
        ]
        run_tasks(tasks, Work(self._work.observe, 1, self._work.cancellation))
        make_durable(each.checked.facts.place.folder for each in repairs)

    def _repair(self, repair: LayerRepair, _: Mapping[int, None]) -> None:
        begin, name = time.monotonic(), repair.checked.facts.layer_name
        self._work.observe(Started(Step.REPAIR, name))
        repair_layer(repair, self.added, self._fetch)
        summary = f"{counted(len(repair.entries), 'file')}, {size_text(repair.bytes)} fetched"
        self._work.observe(
            Finished(Step.REPAIR, name, changed=True, summary=summary, seconds=time.monotonic() - begin)
        )

    def _fetch(self, repair: LayerRepair, folder: Path) -> None:
        origin, checked = repair.origin, repair.checked
        if origin is None or checked.index is None:
            return
        known = repair.index or LayerIndex(b"", *checked.index)
        downloads = self._home.downloads / origin.layer.id  # as other layers may have the same archive
        fetch_files(
            origin.store, origin.layer, known, repair.fetched, folder, downloads=downloads, work=self._work
        )

    def deploy_again(self, repair: LayerRepair, origin: Origin) -> None:
        """Deploy a layer whose folder is not there; what remains of it is moved away."""
        self.added.take(repair.checked.facts.place.folder)
        inventory = read_inventory(self._home)
        layers = origin.release.closure([origin.layer.install_target])
        indexes = read_indexes(origin.store, origin.release.platform, layers, inventory, self._work)
        provide_layers(plan_layers(self._home, layers, inventory, indexes), self._home, origin.store, self._work)

    def write_launcher(self, file: OwnFile) -> None:
        """Write a launcher again."""
        if file.path.is_dir() and not file.path.is_symlink():
            self.added.take(file.path)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic_path(file.path) as temporary:
            temporary.write_bytes(file.launcher.content)
            temporary.chmod(0o755 if file.launcher.executable else 0o644)
