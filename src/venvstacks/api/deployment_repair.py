"""Verifying and repairing deployments, without anything that building needs."""

import os
from pathlib import Path

from venvstacks.deploying.hold import hold_deployment
from venvstacks.deploying.products import find_home, require_homes
from venvstacks.deploying.repair import prepare_repair
from venvstacks.deploying.repair_origins import StoreOrigins
from venvstacks.deploying.repair_plan import RepairPlan
from venvstacks.deploying.repair_run import Repaired, run_repair
from venvstacks.deploying.verify import VerifyReport
from venvstacks.deploying.verify import verify_deployment as verify
from venvstacks.file_names import absolute_path
from venvstacks.options import Options
from venvstacks.work import Work


def verify_deployment(folder: str | os.PathLike[str], *, options: Options | None = None) -> VerifyReport:
    """Read every file of a deployment, of all its products, and compare it with what was published.

    Nothing is changed, and the network is not used.

    Args:
        folder: The folder of the deployment.
        options: How; of these, only ``jobs`` and ``observe`` count.

    Raises:
        DeploymentError: There is no deployment.
    """
    return verify(_root(folder), _work(options or Options()))


def plan_repair(folder: str | os.PathLike[str], *, options: Options | None = None) -> RepairPlan:
    """Return what :func:`repair_deployment` would do, with the same parameters; nothing is changed."""
    how, root = options or Options(), _root(folder)
    with StoreOrigins(root, how.environ, keep=False) as origins:
        return prepare_repair(root, origins, _work(how))


def repair_deployment(folder: str | os.PathLike[str], *, options: Options | None = None) -> Repaired:
    """Make again what is damaged in a deployment, and move away what does not belong there.

    Of damaged files, only the frames of the archives that contain them are fetched. Nothing is deleted: what no
    layer has is moved to the folder ``added``.

    Args:
        folder: The folder of the deployment.
        options: How; of these, only ``wait``, ``jobs``, ``observe`` and ``environ`` count.

    Returns:
        What was done, and in its plan what could not be.

    Raises:
        BusyError: Another run changes the deployment, and waiting is not wanted.
        DeploymentError: There is no deployment, or it may not be changed.
        StoreError: Something cannot be fetched.
        FilesystemError: Something cannot be written.
    """
    how, root = options or Options(), _root(folder)
    require_homes(root)  # before anything is made in a folder that is not meant
    with (
        hold_deployment(root, wait=how.wait, observe=how.observe),
        StoreOrigins(root, how.environ, keep=True) as origins,
    ):
        return run_repair(prepare_repair(root, origins, _work(how)), _work(how))


def _root(folder: str | os.PathLike[str]) -> Path:
    """Return the root of a deployment: all of its products share layers."""
    path = absolute_path(folder, Path.cwd())
    home = find_home(path)
    return path if home is None else home.root


def _work(options: Options) -> Work:
    return Work(options.observe, options.jobs)
