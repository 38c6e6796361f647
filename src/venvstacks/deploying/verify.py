"""``venvstacks deployment verify``: whether a deployment is as it was published, everything read."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.deploying.contents import deployed_layers, read_products
from venvstacks.deploying.layer_check import CheckedLayer, DeployedLayerFacts, DeploymentFinding, check_layer
from venvstacks.deploying.own_files import OwnFiles, check_own_files
from venvstacks.events import Finished, Planned, Started, Step
from venvstacks.humanize import counted, size_text
from venvstacks.work import Task, Work, run_tasks


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found of a deployment.

    Attributes:
        root: Its folder.
    """

    root: Path
    own_files: OwnFiles  # what was found of the files that are no layer's
    layers: tuple[CheckedLayer, ...]  # what was found of each layer, of all products and generations

    @property
    def findings(self) -> tuple[DeploymentFinding, ...]:
        """Everything that is wrong; bytecode that Python has written is not."""
        of_layers = (finding for layer in self.layers for finding in layer.findings(self.root))
        return (*self.own_files.findings(), *of_layers)

    @property
    def is_whole(self) -> bool:
        """Whether the deployment is as it was published."""
        return not self.findings

    @property
    def bytecode(self) -> int:
        """How many files of bytecode Python has written beside sources."""
        return sum(len(layer.bytecode) for layer in self.layers)

    @property
    def read(self) -> int:
        """Bytes of everything that was read."""
        return sum(layer.read for layer in self.layers)

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "folder": str(self.root),
            "whole": self.is_whole,
            "layers": [
                {
                    "path": layer.facts.place.path.relative_to(self.root).as_posix(),
                    "layer_name": layer.facts.layer_name,
                    "content_hash": layer.facts.content_hash,
                    "whole": layer.is_whole,
                    "size": layer.read,
                    "bytecode": len(layer.bytecode),
                }
                for layer in self.layers
            ],
            "findings": [found.as_json() for found in self.findings],
        }


def verify_deployment(root: Path, work: Work, *, step: Step = Step.VERIFY) -> VerifyReport:
    """Read everything of a deployment, and compare it with what was published. Nothing is changed or locked.

    Raises:
        DeploymentError: There is no deployment.
    """
    products = read_products(root)
    facts = deployed_layers(products)
    work.observe(Planned(step, tuple(each.layer_name for each in facts)))
    with frame_pool(work) as pool:
        layers = _check_layers(facts, pool, work, step)
    return VerifyReport(root, check_own_files(products), layers)


def _check_layers(
    facts: Sequence[DeployedLayerFacts], pool: FramePool, work: Work, step: Step
) -> tuple[CheckedLayer, ...]:
    tasks = [
        Task(f"verify {each.layer_name}", each.place.id, (), partial(_check, each, pool, work, step))
        for each in facts
    ]
    checked = run_tasks(tasks, work)
    return tuple(checked[each.place.id] for each in facts)


def _check(
    facts: DeployedLayerFacts, pool: FramePool, work: Work, step: Step, _: Mapping[str, CheckedLayer]
) -> CheckedLayer:
    begin = time.monotonic()
    work.observe(Started(step, facts.layer_name))
    checked = check_layer(facts, pool)
    wrong = len(checked.differences) + len(checked.links) + len(checked.added) + (checked.index is None)
    summary = f"{size_text(checked.read)}, {counted(wrong, 'finding')}" if wrong else size_text(checked.read)
    work.observe(Finished(step, facts.layer_name, bool(wrong), summary, time.monotonic() - begin))
    return checked
