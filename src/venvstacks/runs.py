"""How work is done, and what the steps of one run share."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from venvstacks.errors import VenvstacksError
from venvstacks.events import Observer, silent
from venvstacks.files import explain_os_error
from venvstacks.runtimes.choice import providers
from venvstacks.runtimes.interface import RuntimeProvider
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.spec.model import Stack
from venvstacks.uv import Uv, find_uv
from venvstacks.work import Work, default_jobs
from venvstacks.workspace import Workspace, workspace


@dataclass(frozen=True, slots=True)
class Options:
    """How work is done; what is done is each function's own.

    Attributes:
        build_dir: The build folder; relative to the definition's folder.
        local_wheels: Folders with wheels; relative to the definition's folder.
        no_index: Whether these folders alone are used.
        check_binaries: Whether native files must fit the layers' targets.
        cache_dir: Folder for caches, relative to the definition's folder: downloaded wheels in ``uv``, compressed
            parts of archives in ``frames``. None for uv's own cache, and the user's cache folder.
        clean: Whether to make anew what is there, and to forget what was downloaded.
        wait: Whether to wait for another run in the same build folder.
        jobs: How many layers are handled at once.
        observe: Called with each event, from any thread.
        environ: The environment variables that are honoured.
    """

    build_dir: Path = Path("_build")
    local_wheels: tuple[Path, ...] = ()
    no_index: bool = False
    check_binaries: bool = True
    cache_dir: Path | None = None
    clean: bool = False
    wait: bool = True
    jobs: int = field(default_factory=default_jobs)
    observe: Observer = silent
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


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


def in_definition(stack: Stack, path: str | os.PathLike[str]) -> Path:
    """Give a folder that is relative to the definition's, absolute; ``~`` is expanded."""
    return Path(os.path.normpath(stack.folder / Path(path).expanduser()))


def cache_folder(stack: Stack, options: Options) -> Path | None:
    """Give the folder for caches, absolute; None if none is named."""
    return None if options.cache_dir is None else in_definition(stack, options.cache_dir)


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
    """See that nothing of the work goes on when it ends early, and that no bare OSError leaves it."""
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
    """Hold the build folder, and prepare what locking and building need.

    Raises:
        BusyError: Another run holds the folder, and is not waited for.
        ToolError: There is no usable uv.
    """
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
