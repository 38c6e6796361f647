"""Making a generation the current one, and going back to the one before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvstacks.deploying.deployment_format import Generation
from venvstacks.deploying.generations import (
    current_number,
    generation_numbers,
    read_generation,
    read_whole_current,
    switch,
)
from venvstacks.deploying.leases import mark_used
from venvstacks.deploying.places import Home
from venvstacks.deploying.programs import arrange_programs
from venvstacks.deploying.prune import remove_leftovers
from venvstacks.errors import DeploymentError
from venvstacks.events import Observer, Warned


@dataclass(frozen=True, slots=True)
class PlannedRollback:
    """Which generation is going to be current.

    Attributes:
        home: The product's home.
        current: The generation that is current now.
        generation: The one that is going to be.
    """

    home: Home
    current: Generation
    generation: Generation


def make_current(home: Home, generation: Generation, observe: Observer) -> None:
    """Make a generation the current one, with programs for its applications; the caller holds the deployment."""
    arrange_programs(home.root, (home, generation))
    earlier = read_whole_current(home)
    if earlier is not None:
        mark_used(home.place_of(layer.id, layer.install_target).lease for layer in earlier.layers)
    switch(home, generation.number)
    for taken in arrange_programs(home.root):
        if taken.home == home:
            observe(Warned(str(taken)))


def plan_rollback(home: Home, number: int | None = None) -> PlannedRollback:
    """Find the generation that was current before the current one, or take the one with a number.

    Raises:
        DeploymentError: There is no such generation, or it is not complete any more.
    """
    before = current_number(home)
    if before is None:
        raise DeploymentError(
            f"{home.folder} has no current generation.", hint="make one with `venvstacks deploy STORE --to DIR`"
        )
    current = read_generation(home, before)
    there = [str(each) for each in generation_numbers(home) if each != before]
    wanted = current.previous if number is None else number
    if str(wanted) not in there and number is None:
        raise DeploymentError(
            f"There is no generation before generation {before} in {home.folder}.",
            hint=f"choose one with --generation: {', '.join(there)}" if there else None,
        )
    generation = current if wanted == before else read_generation(home, wanted)
    check_complete(home, generation)
    return PlannedRollback(home, current, generation)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A deployment that went back.

    Attributes:
        folder: The product's folder.
        release: Version of the release that is current now.
        generation: Number of the generation that is current now.
        before: Number of the generation that was current.
    """

    folder: Path
    release: str
    generation: int
    before: int

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as data."""
        return {
            "folder": str(self.folder),
            "release": self.release,
            "generation": self.generation,
            "before": self.before,
        }


def run_rollback(plan: PlannedRollback, observe: Observer) -> RolledBack:
    """Go back; the caller holds the deployment."""
    remove_leftovers(plan.home.root)
    make_current(plan.home, plan.generation, observe)
    return RolledBack(plan.home.folder, plan.generation.release, plan.generation.number, plan.current.number)


def check_complete(home: Home, generation: Generation) -> None:
    """Refuse a generation some of whose layers are not there.

    Raises:
        DeploymentError: A layer is missing.
    """
    for layer in generation.layers:
        place = home.place_of(layer.id, layer.install_target)
        if not place.path.is_dir():
            raise DeploymentError(
                f"Generation {generation.number} of {home.folder} is not complete: there is no {place.path}.",
                hint="run `venvstacks deployment repair`, or deploy again",
            )
