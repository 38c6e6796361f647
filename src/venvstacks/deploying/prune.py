"""Removing generations that are not kept, and layers that no generation needs and no process uses."""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from venvstacks import files
from venvstacks.deploying.deployment_format import KEEP
from venvstacks.deploying.generations import (
    DamagedDocumentError,
    current_number,
    generation_numbers,
    read_deployment,
    read_generation,
)
from venvstacks.deploying.leases import Use, hold_alone, last_used
from venvstacks.deploying.places import LAYER_FOLDER, Home
from venvstacks.deploying.products import homes
from venvstacks.events import Observer, Warned

HOURS_WITHOUT_LOCKS = 72
"""How long layers are kept that were in use, where the file system cannot tell who uses them."""


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer's folder in a deployment, by its ID.

    Attributes:
        id: The first digits of its closure ID, which name the folder.
        below: IDs of the layers that the folder has links to.
    """

    id: str
    below: frozenset[str]


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What pruning a deployment removes, if no process uses it.

    Attributes:
        root: The deployment's folder.
        generations: Product (empty for the first) and number, of each generation to remove.
        layers: ID of a layer that no generation needs -> IDs of all layers whose processes use it, its own first;
            layers come before those below them.
    """

    root: Path
    generations: tuple[tuple[str, int], ...]
    layers: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return the plan as data."""
        return Pruned(self.generations, tuple(self.layers), ()).as_json()


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed of a deployment.

    Attributes:
        generations: Product (empty for the first) and number, of each generation that was removed.
        layers: IDs of the layers that were removed.
        in_use: IDs of the layers that no generation needs, but a process uses, or may use.
    """

    generations: tuple[tuple[str, int], ...]
    layers: tuple[str, ...]
    in_use: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what was removed as data."""
        return {
            "generations": [{"product": product, "number": number} for product, number in self.generations],
            "layers": list(self.layers),
            "in_use": list(self.in_use),
        }


def kept_generations(numbers: Sequence[int], current: int | None, previous: int, keep: int) -> frozenset[int]:
    """Return the generations that stay: the last ones, the current one, and the one before it."""
    wanted = {*sorted(numbers)[-max(keep, 1) :], current, previous}
    return frozenset(number for number in numbers if number in wanted)


def plan_prune(root: Path, *, keep: int | None = None, product: str | None = None) -> PrunePlan:
    """Find out what is not needed any more.

    Args:
        root: The deployment's folder.
        keep: How many generations stay; what the deployment says if not given.
        product: The only product whose generations are removed; all of them if not given.

    Raises:
        DeploymentError: What the current generation consists of is not known, so that nothing may be removed.
    """
    removed: list[tuple[str, int]] = []
    needed: set[str] = set()
    for home in homes(root):
        numbers = generation_numbers(home)
        stays = frozenset(numbers)
        if product in (None, home.product):
            stays = _stays(home, numbers, keep)
        for number in numbers:
            layers = _layers(home, number) if number in stays else None
            if layers is None:
                removed.append((home.product, number))
            else:
                needed |= layers
    return PrunePlan(root, tuple(removed), unneeded(stored_layers(Home(root)), needed))


def _layers(home: Home, number: int) -> frozenset[str] | None:
    """Return the layers that a generation needs; None if it is damaged, so that nobody can go back to it."""
    try:
        return frozenset(layer.id for layer in read_generation(home, number).layers)
    except DamagedDocumentError:
        return None


def _stays(home: Home, numbers: Sequence[int], keep: int | None) -> frozenset[int]:
    current = current_number(home)
    previous = 0 if current is None else read_generation(home, current).previous
    if keep is None:
        deployment = read_deployment(home)
        keep = deployment.keep if deployment else KEEP
    return kept_generations(numbers, current, previous, keep)


def stored_layers(home: Home) -> tuple[StoredLayer, ...]:
    """Find all layers in a deployment's folder, and the links between them."""
    try:
        folders = sorted(home.layers.iterdir())
    except FileNotFoundError:
        return ()
    found = (folder for folder in folders if not folder.name.startswith(files.TEMPORARY_PREFIX))
    return tuple(StoredLayer(folder.name, frozenset(_linked(folder))) for folder in found if folder.is_dir())


def _linked(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.name != LAYER_FOLDER:
            with suppress(OSError, IndexError):  # not a link
                yield PurePath(entry.readlink()).parts[-2]


def unneeded(stored: Sequence[StoredLayer], needed: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the layers that can be removed, with all whose processes use them, in an order for removal."""
    users = {layer.id: [layer.id] for layer in stored}
    for layer in stored:
        for lower in layer.below & users.keys():
            users[lower].append(layer.id)
    free = {name: tuple(above) for name, above in users.items() if not set(above) & set(needed)}
    return dict(sorted(free.items(), key=lambda item: len(item[1])))


def run_prune(plan: PrunePlan, observe: Observer) -> Pruned:
    """Remove what a plan names; the caller holds the deployment.

    Each folder is renamed away before anything in it is deleted, so that nothing is ever half there.
    """
    remove_leftovers(plan.root)
    remove_unfinished(plan.root)
    for product, number in plan.generations:
        home = Home(plan.root, product)
        remove_folder(home.generation(number))
    removed: list[str] = []
    in_use: list[str] = []
    unsure = False
    shared = Home(plan.root)
    for layer, users in plan.layers.items():
        leases = [shared.place_of(user, "").lease for user in users]
        with hold_alone(leases) as use:
            unsure |= use is Use.UNKNOWN
            recent = max(map(last_used, leases)) > time.time() - HOURS_WITHOUT_LOCKS * 3600
            away = None
            if use is Use.FREE or (use is Use.UNKNOWN and not recent):
                away = _rename_away(shared.layers / layer)
        (removed if away else in_use).append(layer)
        if away:
            files.remove_tree(away)
    if unsure:
        observe(
            Warned(
                f"The file system of {plan.root} cannot tell which layers are in use: those that were current "
                f"less than {HOURS_WITHOUT_LOCKS} hours ago are kept."
            )
        )
    return Pruned(plan.generations, tuple(removed), tuple(in_use))


def remove_leftovers(root: Path) -> None:
    """Remove what killed runs left of everything but layers; the caller holds the deployment."""
    for home in homes(root):
        for folder in (home.folder, home.generations, home.programs):
            files.remove_leftovers(folder)


def remove_unfinished(root: Path) -> None:
    """Remove layers that killed runs left half made or half removed, and downloads that nothing needs."""
    files.remove_leftovers(Home(root).layers)
    files.remove_tree(Home(root).downloads)


def remove_folder(folder: Path) -> None:
    """Remove a folder that is renamed away first, so that it is never half there."""
    if away := _rename_away(folder):
        files.remove_tree(away)


def _rename_away(folder: Path) -> Path | None:
    """Rename a folder, so that it is gone at once; None if that is refused, as of files in use on Windows."""
    away = files.temporary_beside(folder)
    try:
        folder.replace(away)
    except PermissionError:
        if os.name == "nt":
            return None
        raise
    except FileNotFoundError:
        return None
    return away
