"""Deploying a release: everything is in its place and durable before the new generation becomes current."""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from venvstacks.deploying.deploy_plan import DeployPlan
from venvstacks.deploying.deploy_prepare import plan_deploy, understand
from venvstacks.deploying.deployment_format import Deployment, Generation
from venvstacks.deploying.find_release import open_source
from venvstacks.deploying.generations import current_number, write_deployment
from venvstacks.deploying.hold import hold_deployment
from venvstacks.deploying.hooks import Hooks, is_pending, run_check, run_then, set_pending
from venvstacks.deploying.new_generation import find_made, make_generation
from venvstacks.deploying.places import Home
from venvstacks.deploying.programs import arrange_programs
from venvstacks.deploying.prune import (
    Pruned,
    plan_prune,
    remove_folder,
    remove_leftovers,
    run_prune,
)
from venvstacks.deploying.settings import DeployRequest
from venvstacks.deploying.switching import make_current, plan_rollback
from venvstacks.errors import BusyError, DeploymentError, VenvstacksError
from venvstacks.events import Warned
from venvstacks.stores.interface import Store
from venvstacks.work import Work


@dataclass(frozen=True, slots=True)
class Deployed:
    """What became of a deployment.

    Attributes:
        folder: The product's folder.
        release: Version of the release that is current.
        generation: Number of the generation that is current.
        changed: Whether it was made now.
        programs: Name of an application -> what starts it.
        bytes: What was fetched from the store.
        requests: With how many requests.
        pruned: What was removed afterwards; None if another run does that.
    """

    folder: Path
    release: str
    generation: int
    changed: bool
    programs: Mapping[str, Path]
    bytes: int
    requests: int
    pruned: Pruned | None

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as data."""
        return {
            "folder": str(self.folder),
            "release": self.release,
            "generation": self.generation,
            "changed": self.changed,
            "programs": {name: str(program) for name, program in self.programs.items()},
            "bytes": self.bytes,
            "requests": self.requests,
            "pruned": self.pruned.as_json() if self.pruned else None,
        }


@dataclass(frozen=True, slots=True)
class Means:
    """How a deployment is made.

    Attributes:
        wait: Whether to wait for another run in the same folder.
        environ: Environment variables, for the store.
        hooks: What is run before and after the switch.
    """

    wait: bool = True
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    hooks: Hooks = field(default_factory=Hooks)


def run_deploy(root: Path, request: DeployRequest, means: Means, work: Work) -> Deployed:
    """Deploy a release.

    Raises:
        BusyError: Another run changes the deployment, and waiting was not allowed.
        DeploymentError: It may not be changed; or the check failed, or what is run after the switch.
        TrustError: What the store says may not be believed.
        StoreError: The store cannot be read.
    """
    understand(root, request)  # before anything is made in a folder that is not meant
    with ExitStack() as stack:
        stack.enter_context(hold_deployment(root, wait=means.wait, observe=work.observe))
        aim = understand(root, request)
        home = aim.home
        remove_leftovers(root)
        store = stack.enter_context(open_source(aim.address, means.environ))
        plan = plan_deploy(aim, store, home.trust, work)
        generation = carry_out(plan, aim.before, store, means.hooks, work)
        fetched, requests = store.traffic.received, store.traffic.requests
    if means.hooks.then and is_pending(home, generation.number):
        _run_then(home, generation, means, work)
    return Deployed(
        folder=home.folder,
        release=generation.release,
        generation=generation.number,
        changed=plan.changes,
        programs=_programs(home, generation),
        bytes=fetched,
        requests=requests,
        pruned=_prune(home, work),  # also if nothing is new: what was in use before may not be any more
    )


def carry_out(plan: DeployPlan, before: Deployment | None, store: Store, hooks: Hooks, work: Work) -> Generation:
    """Do what a plan says; the caller holds the deployment. Return the generation that is current then.

    Raises:
        DeploymentError: The check failed.
    """
    home = plan.home
    if plan.fetch is None and plan.current is not None:
        if plan.deployment != before:
            write_deployment(home, plan.deployment)
        arrange_programs(home.root)
        return plan.current
    if plan.fetch is not None:
        from venvstacks.deploying.provide import provide_layers  # noqa: PLC0415 - seldom needed

        provide_layers(plan.fetch, home, store, work)
    work.cancellation.check()
    previous = plan.current.number if plan.current is not None else 0
    made = find_made(home, plan.release, plan.layers, plan.applications, previous=previous)
    generation = made
    if generation is None:
        generation = make_generation(
            home,
            plan.release,
            plan.applications,
            previous=previous,
            store=plan.deployment.store,
            created=int(time.time()),
        )
    if hooks.check:
        try:
            run_check(hooks.check, home, generation, work.cancellation)
        except BaseException:
            if made is None:
                remove_folder(home.generation(generation.number))
            raise
    write_deployment(home, plan.deployment)
    set_pending(home, generation.number if hooks.then else None)
    make_current(home, generation, work.observe)
    return generation


def _run_then(home: Home, generation: Generation, means: Means, work: Work) -> None:
    """Run what comes after a switch, which may wait for others that hold the deployment: it is not held meanwhile.

    If it fails, it runs again after going back, or else in the next run.
    """
    problem = run_then(means.hooks.then, home, generation, work.cancellation)
    if not problem:
        set_pending(home, None)
        return
    what = f"Release {generation.release} is current in {home.folder}, but {problem}"
    if not means.hooks.rollback_on_failure:
        raise DeploymentError(what, hint="go back with `venvstacks deployment rollback`")
    with hold_deployment(home.root, wait=True, observe=work.observe):
        if current_number(home) != generation.number:
            raise DeploymentError(what, hint="another run has changed the deployment since then")
        earlier = plan_rollback(home).generation
        set_pending(home, None)
        make_current(home, earlier, work.observe)
    again = run_then(means.hooks.then, home, earlier, work.cancellation)
    raise DeploymentError(
        f"Release {generation.release} was current in {home.folder}, but {problem} "
        f"Release {earlier.release} is current again{f', but {again}' if again else '.'}"
    )


def _prune(home: Home, work: Work) -> Pruned | None:
    """Remove what is not needed any more; what keeps that from being done concerns the next run."""
    try:
        with hold_deployment(home.root, wait=False, observe=work.observe):
            return run_prune(plan_prune(home.root, product=home.product), work.observe)
    except BusyError:
        return None  # the other run does it
    except VenvstacksError as error:
        work.observe(Warned(f"Nothing was pruned: {error.message}"))
        return None


def _programs(home: Home, generation: Generation) -> Mapping[str, Path]:
    found = {name: PurePosixPath(how.launcher).name for name, how in generation.applications.items()}
    return {name: home.programs / program for name, program in found.items()}
