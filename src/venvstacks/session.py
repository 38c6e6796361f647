"""What the steps of one run share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from venvstacks.definition.stack import Stack
from venvstacks.errors import VenvstacksError
from venvstacks.files import explain_os_error
from venvstacks.options import Options, cache_folder, in_definition
from venvstacks.runtimes.choice import providers
from venvstacks.runtimes.interface import RuntimeProvider
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.uv import Uv, find_uv
from venvstacks.work import Work
from venvstacks.workspace import Workspace, workspace


@dataclass(frozen=True, slots=True)
class Bench:
    """What the steps of one run share.

    Attributes:
        stack: The stack.
        options: How work is done.
        workspace: The build folder, which this run holds.
        uv: The program.
        work: Observer, workers, cancellation.
        runtimes: Where base Pythons come from.
    """

    stack: Stack
    options: Options
    workspace: Workspace
    uv: Uv
    work: Work
    runtimes: RuntimeProvider

    @property
    def wheel_folders(self) -> tuple[Path, ...]:
        """The folders with local wheels, absolute."""
        return tuple(in_definition(self.stack, folder) for folder in self.options.local_wheels)


@contextmanager
def held(stack: Stack, options: Options) -> Iterator[Work]:
    """Hold the build folder, so that no other run changes it meanwhile."""
    folder = in_definition(stack, options.build_dir)
    with (
        workspace(folder, clean=False, wait=options.wait, observe=options.observe),
        _cancelling(stack, options) as work,
    ):
        yield work


@contextmanager
def _cancelling(stack: Stack, options: Options) -> Iterator[Work]:
    """Ensure that nothing of the work goes on when it ends early, and that no bare OSError leaves it."""
    work = Work(options.observe, options.jobs)
    try:
        yield work
    except VenvstacksError:
        raise
    except OSError as error:
        raise explain_os_error(error, f"work in {in_definition(stack, options.build_dir)}") from error
    finally:
        work.cancellation.cancel()


@contextmanager
def new_bench(stack: Stack, options: Options) -> Iterator[Bench]:
    """Hold the build folder, and prepare what locking and building need."""
    folder = in_definition(stack, options.build_dir)
    if (caches := cache_folder(stack, options)) is not None:
        options = replace(options, environ={**options.environ, "UV_CACHE_DIR": str(caches / "uv")})
    with (
        workspace(folder, clean=options.clean, wait=options.wait, observe=options.observe) as space,
        _cancelling(stack, options) as work,
    ):
        uv = find_uv(options.environ, space.scratch)
        managed = ManagedRuntimes(
            uv,
            stack.uv,
            space.downloads,
            work,
            options.environ,
            impatient=stack.local_runtime == "fallback",
        )
        local = LocalRuntimes(options.environ, work)
        runtimes = providers(stack.local_runtime, managed, local, space.downloads, work)
        yield Bench(stack, options, space, uv, work, runtimes)
