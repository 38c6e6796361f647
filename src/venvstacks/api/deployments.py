"""Deploying releases from stores, without anything that building needs."""

import os
from pathlib import Path
from typing import Unpack

from venvstacks.deploying.deploy_plan import DeploymentPlan
from venvstacks.deploying.deploy_prepare import prepare_deploy
from venvstacks.deploying.deploy_run import Deployed, Means, run_deploy
from venvstacks.deploying.hold import hold_deployment
from venvstacks.deploying.hooks import Hooks
from venvstacks.deploying.products import FIRST, require_homes
from venvstacks.deploying.prune import Pruned, PrunePlan, plan_prune, run_prune
from venvstacks.deploying.settings import DeployRequest
from venvstacks.deploying.status import DeploymentStatus, read_status
from venvstacks.deploying.switching import RolledBack, plan_rollback, run_rollback
from venvstacks.file_names import absolute_path
from venvstacks.options import DeploySettings, Options
from venvstacks.work import Work


def plan_deployment(
    store: str | os.PathLike[str] | None = None,
    *,
    to: str | os.PathLike[str],
    options: Options | None = None,
    **settings: Unpack[DeploySettings],
) -> DeploymentPlan:
    """Return what :func:`deploy` would do, with the same parameters; nothing is changed."""
    how = options or Options()
    return prepare_deploy(_root(to), _request(store, settings), how.environ, _work(how)).describe()


def deploy(
    store: str | os.PathLike[str] | None = None,
    *,
    to: str | os.PathLike[str],
    check: str = "",
    then: str = "",
    rollback_on_failure: bool = False,
    options: Options | None = None,
    **settings: Unpack[DeploySettings],
) -> Deployed:
    """Deploy a release from a store into a folder, and make it current when all of it is there.

    Args:
        store: Address of the store, or an output folder of ``publish``; None for the one that is remembered.
        to: The folder of the deployment; made if it is not there, relative to the current folder.
        check: Command for the system's shell, run before the switch with the new applications first on PATH; if it
            fails, nothing changes. What it prints goes to stderr.
        then: Command for the system's shell, run after the switch.
        rollback_on_failure: Whether to go back if ``then`` fails.
        options: How; of these, only ``wait``, ``jobs``, ``observe`` and ``environ`` count.
        settings: What to deploy: see :class:`DeploySettings`.

    Raises:
        BusyError: Another run changes the deployment, and waiting is not wanted.
        DeploymentError: The deployment may not be changed, or ``check`` or ``then`` failed.
        TrustError: What the store says is not signed as it should be, or older than what was seen before.
        ReleaseError: The store has no such release, or not for this platform.
        StoreError: The store cannot be read.
        FilesystemError: Something cannot be written.
    """
    how = options or Options()
    means = Means(how.wait, how.environ, Hooks(check, then, rollback_on_failure))
    return run_deploy(_root(to), _request(store, settings), means, _work(how))


def deployment_status(folder: str | os.PathLike[str]) -> DeploymentStatus:
    """Describe what is deployed in a folder.

    Raises:
        DeploymentError: Nothing is, or a document is damaged.
    """
    return read_status(_root(folder))


def rollback(
    folder: str | os.PathLike[str],
    *,
    generation: int | None = None,
    product: str | None = None,
    options: Options | None = None,
) -> RolledBack:
    """Make the generation current again that was before the current one; the network is not used.

    Args:
        folder: The folder of the deployment.
        generation: Number of the one to make current instead.
        product: Name of the product in a folder of several; the first one if not given.
        options: How; of these, only ``wait`` and ``observe`` count.

    Raises:
        BusyError: Another run changes the deployment, and waiting is not wanted.
        DeploymentError: There is no such generation, or the deployment may not be changed.
    """
    how, root = options or Options(), _root(folder)
    (home,) = require_homes(root, product or FIRST)
    with hold_deployment(root, wait=how.wait, observe=how.observe):
        return run_rollback(plan_rollback(home, generation), how.observe)


def plan_pruning(
    folder: str | os.PathLike[str], *, keep: int | None = None, product: str | None = None
) -> PrunePlan:
    """Return what :func:`prune_deployment` would do, with the same parameters, if no process uses a layer."""
    root = _root(folder)
    homes = require_homes(root, product)
    return plan_prune(root, keep=keep, product=homes[0].product if product is not None else None)


def prune_deployment(
    folder: str | os.PathLike[str],
    *,
    keep: int | None = None,
    product: str | None = None,
    options: Options | None = None,
) -> Pruned:
    """Remove old generations, and the layers that no generation needs and no process uses.

    Args:
        folder: The folder of the deployment.
        keep: How many generations stay; what the deployment says if not given. The current one and the one before
            it always stay.
        product: The only product whose generations are removed; all of them if not given.
        options: How; of these, only ``wait`` and ``observe`` count.

    Raises:
        BusyError: Another run changes the deployment, and waiting is not wanted.
        DeploymentError: The deployment may not be changed, or a document of it is damaged.
    """
    how, root = options or Options(), _root(folder)
    require_homes(root, product)
    with hold_deployment(root, wait=how.wait, observe=how.observe):
        return run_prune(plan_pruning(root, keep=keep, product=product), how.observe)


def _root(folder: str | os.PathLike[str]) -> Path:
    return absolute_path(folder, Path.cwd())


def _request(store: str | os.PathLike[str] | None, settings: DeploySettings) -> DeployRequest:
    return DeployRequest(os.fspath(store or ""), **settings)


def _work(options: Options) -> Work:
    return Work(options.observe, options.jobs)
