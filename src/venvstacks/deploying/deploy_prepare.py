"""Finding out what deploying a release would do."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks.deploying.deploy_plan import DeployPlan
from venvstacks.deploying.deployment_format import Deployment, Generation
from venvstacks.deploying.find_release import FoundRelease, find_release, open_source, trust_folder
from venvstacks.deploying.generations import read_current
from venvstacks.deploying.new_generation import is_same
from venvstacks.deploying.places import Home
from venvstacks.deploying.products import choose_home
from venvstacks.deploying.settings import DeployRequest, choose_applications, merge, read_root, store_address
from venvstacks.deploying.switching import check_complete
from venvstacks.errors import DeploymentError
from venvstacks.events import Warned
from venvstacks.releases.release_format import Release, ReleaseLayer
from venvstacks.stores.interface import Store
from venvstacks.work import Work

if TYPE_CHECKING:
    from venvstacks.deploying.fetch_plan import FetchPlan


@dataclass(frozen=True, slots=True)
class Aim:
    """What a deployment is to be.

    Attributes:
        home: Where it is.
        before: What is remembered of it; None if there is none yet.
        deployment: What it is to be.
        address: Of the store, perhaps with credentials.
        root: Root metadata of a store that is not known yet, or their hash.
    """

    home: Home
    before: Deployment | None
    deployment: Deployment
    address: str
    root: bytes | str | None

    @property
    def was_signed(self) -> bool:
        """Whether what was deployed from this store before was signed."""
        return self.before is not None and self.before.signed and self.before.store == self.deployment.store


def understand(root: Path, request: DeployRequest) -> Aim:
    """Join what is asked for with what is remembered.

    Raises:
        DeploymentError: What is remembered is damaged, or nothing says which store is meant.
        UsageError: A file or a name is not what it should be.
    """
    address = store_address(request.store) if request.store else ""
    home, before = choose_home(root, address, request.product)
    deployment = merge(request, before, home)
    known = None if request.root is None else read_root(request.root)
    return Aim(home, before, deployment, request.store or deployment.store, known)


def prepare_deploy(root: Path, request: DeployRequest, environ: Mapping[str, str], work: Work) -> DeployPlan:
    """Find out what deploying would do; nothing is changed, and nobody has to wait.

    Raises:
        DeploymentError: What is remembered is damaged, or nothing says which store is meant.
        TrustError: What the store says may not be believed.
        StoreError: The store cannot be read.
    """
    aim = understand(root, request)
    with open_source(aim.address, environ) as store, trust_folder(aim.home.trust, keep=False) as trust:
        return plan_deploy(aim, store, trust, work)


def plan_deploy(aim: Aim, store: Store, trust: Path, work: Work) -> DeployPlan:
    """Find out what deploying from an open store does; ``trust`` is where what was verified is kept."""
    home = aim.home
    found = find_release(store, aim.deployment, trust, aim.root, was_signed=aim.was_signed)
    if not found.deployment.signed and (aim.before is None or aim.before.signed):
        words = "nothing in it is signed, and all of it is believed"
        work.observe(Warned(f"{aim.deployment.store} is an output folder of publish: {words}."))
    asked, received = store.traffic.requests, store.traffic.received
    applications, layers = choose_applications(found.release, found.deployment.applications)
    current = _read_current(home, work)
    is_current = current is not None and _is_whole(home, current, found.release, layers, applications)
    return DeployPlan(
        home=home,
        deployment=found.deployment,
        release=found.release,
        applications=applications,
        layers=layers,
        fetch=None if is_current else _plan_layers(home, found, layers, work),
        current=current,
        asked=asked,
        received=received,
    )


def _plan_layers(home: Home, found: FoundRelease, layers: Sequence[ReleaseLayer], work: Work) -> "FetchPlan":
    # a deployment in which nothing is new has to be quick
    from venvstacks.deploying.fetch_plan import plan_layers  # noqa: PLC0415
    from venvstacks.deploying.inventory import read_inventory  # noqa: PLC0415
    from venvstacks.deploying.layer_indexes import read_indexes  # noqa: PLC0415

    inventory = read_inventory(home)
    indexes = read_indexes(found.store, found.release.platform, layers, inventory, work)
    return plan_layers(home, layers, inventory, indexes)


def _read_current(home: Home, work: Work) -> Generation | None:
    """Read the current generation; one that is damaged is replaced like one that is not there."""
    try:
        return read_current(home)
    except DeploymentError as error:
        work.observe(Warned(f"{error.message} It is replaced."))
        return None


def _is_whole(
    home: Home,
    generation: Generation,
    release: Release,
    layers: Sequence[ReleaseLayer],
    applications: Collection[str],
) -> bool:
    """Tell whether a generation is what it should be, as far as it is worth to look."""
    if (
        os.name == "nt"
    ):  # where links between layers lead elsewhere if the folder has been moved: they are made again
        return False
    try:
        check_complete(home, generation)
    except DeploymentError:
        return False
    return is_same(generation, release, layers, applications)
