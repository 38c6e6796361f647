"""``venvstacks deployment repair``: what is damaged is made again, with as little fetched as possible."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from venvstacks import files
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.deploying.inventory import Inventory
from venvstacks.deploying.layer_check import CheckedLayer, DeploymentFinding, check_layer
from venvstacks.deploying.layer_indexes import read_indexes
from venvstacks.deploying.repair_plan import LayerRepair, Origin, RepairPlan, needs_origin, plan_layer, plan_repair
from venvstacks.deploying.verify import verify_deployment
from venvstacks.errors import VenvstacksError
from venvstacks.work import Work


class Origins(Protocol):
    """Where the layers of a deployment can be fetched from."""

    def find(self, layer_id: str) -> Origin:
        """Return where a layer can be fetched from.

        Raises:
            VenvstacksError: Nowhere; the message says why.
        """
        ...


def prepare_repair(root: Path, origins: Origins, work: Work) -> RepairPlan:
    """Verify a deployment, and return what repairing it will do. Nothing is changed.

    Raises:
        DeploymentError: There is no deployment.
    """
    report = verify_deployment(root, work)
    repairs: dict[str, LayerRepair] = {}
    left: list[DeploymentFinding] = []
    with frame_pool(work) as pool:
        for checked in report.layers:
            if checked.is_whole:
                continue
            try:
                repair = _prepare_layer(checked, origins, pool, work)
            except VenvstacksError as error:
                left += [_with_reason(found, error.message) for found in checked.findings(root)]
            else:
                repairs[checked.facts.place.id] = repair
    return plan_repair(report, repairs, left)


def _with_reason(found: DeploymentFinding, why: str) -> DeploymentFinding:
    return replace(found, detail=f"{found.detail}: {why}" if found.detail else why)


def _prepare_layer(checked: CheckedLayer, origins: Origins, pool: FramePool, work: Work) -> LayerRepair:
    if not needs_origin(checked):
        return plan_layer(checked, None, None)
    origin = origins.find(checked.facts.place.id)
    index = None
    if not _has_index(checked, origin):
        pool.check()
        alone = Work(work.observe, 1)  # if it fails, what is done about other layers is not cancelled
        indexes = read_indexes(origin.store, origin.release.platform, [origin.layer], Inventory(()), alone)
        index = indexes[origin.layer.index.sha256]
        checked = check_layer(checked.facts, pool, (index.index, index.contents))
    return plan_layer(checked, origin, index)


def _has_index(checked: CheckedLayer, origin: Origin) -> bool:
    """Return whether the index of a layer is the published one, to the last byte."""
    try:
        data = checked.facts.place.index.read_bytes()
    except OSError:
        return False
    return checked.index is not None and files.sha256(data) == origin.layer.index.sha256
