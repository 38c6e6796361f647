"""Programs that a deployment runs: before a switch, to check the new generation, and after it."""

import os
from dataclasses import dataclass

from venvstacks import files
from venvstacks.deploying.deployment_format import Generation
from venvstacks.deploying.launchers import PROGRAMS
from venvstacks.deploying.places import Home
from venvstacks.errors import DeploymentError
from venvstacks.processes import Cancellation


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is run when a generation changes; each is a command for the system's shell, empty for none.

    Attributes:
        check: Before the switch, with the new generation's applications first on PATH; if it fails, there is none.
        then: After the switch, with the current applications first on PATH.
        rollback_on_failure: Whether the generation before becomes current again if ``then`` fails.
    """

    check: str = ""
    then: str = ""
    rollback_on_failure: bool = False


def run_check(command: str, home: Home, generation: Generation, cancellation: Cancellation) -> None:
    """Run a command before a generation becomes current.

    Raises:
        DeploymentError: It failed.
    """
    folder = home.generation(generation.number) / PROGRAMS
    if problem := _run(command, home, str(folder), generation, cancellation):
        raise DeploymentError(
            f"The check of release {generation.release} failed, so that {home.folder} stays as it is: {problem}",
            hint=f"the applications that were checked are in {folder}",
        )


def run_then(command: str, home: Home, generation: Generation, cancellation: Cancellation) -> str:
    """Run a command after a generation has become current; return what went wrong, empty if nothing did."""
    return _run(command, home, str(home.programs), generation, cancellation)


def set_pending(home: Home, number: int | None) -> None:
    """Remember for which generation a command has to run after the switch, in case that this run is killed."""
    if number is None:
        home.pending.unlink(missing_ok=True)
    else:
        files.write_text(home.pending, f"{number}\n")


def is_pending(home: Home, number: int) -> bool:
    """Tell whether a command that has to run after the switch to a generation has not succeeded yet."""
    try:
        return home.pending.read_bytes() == f"{number}\n".encode()
    except OSError:
        return False


def _run(command: str, home: Home, folder: str, generation: Generation, cancellation: Cancellation) -> str:
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    environ = {
        **os.environ,
        "PATH": path,
        "VENVSTACKS_DEPLOYMENT": str(home.folder),
        "VENVSTACKS_GENERATION": str(generation.number),
        "VENVSTACKS_RELEASE": generation.release,
    }
    try:
        status = cancellation.run_shell(command, env=environ)
    except OSError as error:
        return f"{command!r} cannot be started: {error.strerror or error}."
    if status == 0:
        return ""
    return f"{command!r} ended with " + (f"signal {-status}." if status < 0 else f"exit code {status}.")
