"""What one step works with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from venvstacks.definition.stack import Stack
from venvstacks.errors import VenvstacksError
from venvstacks.files import explain_os_error, remove_tree
from venvstacks.options import Options, cache_folder, in_definition
from venvstacks.runtimes.local import LocalRuntimes
from venvstacks.runtimes.managed import ManagedRuntimes
from venvstacks.runtimes.providers import RuntimeProvider, choose_provider
from venvstacks.uv import Uv, find_uv
from venvstacks.work import Work
from venvstacks.workspace import PRIVATE_FOLDER


@dataclass(frozen=True)
class Session:
    """What one step works with.

    Attributes:
        stack: The stack.
        options: How work is done.
        folder: The build folder, absolute, which no other run changes meanwhile.
        scratch: A folder for intermediate files; gone after the run.
        work: Observer, workers, cancellation.
    """

    stack: Stack
    options: Options
    folder: Path
    scratch: Path
    work: Work

    @cached_property
    def uv(self) -> Uv:
        """The program.

        Raises:
            ToolError: There is no usable uv.
        """
        return find_uv(self.options.environ, self.scratch)

    @cached_property
    def runtimes(self) -> RuntimeProvider:
        """Where base Pythons come from; for a clean build, nothing that was downloaded before."""
        policy, environ = self.stack.local_runtime, self.options.environ
        downloads = self.folder / PRIVATE_FOLDER / "pythons"
        if self.options.clean:
            remove_tree(downloads)
        managed = ManagedRuntimes(
            self.uv, self.stack.uv, downloads, self.work, environ, impatient=policy == "fallback"
        )
        return choose_provider(policy, managed, LocalRuntimes(environ, self.work), downloads, self.work)

    @property
    def wheel_folders(self) -> tuple[Path, ...]:
        """The folders with local wheels, absolute."""
        return tuple(in_definition(self.stack, folder) for folder in self.options.local_wheels)


@contextmanager
def open_session(stack: Stack, options: Options, scratch: Path) -> Iterator[Session]:
    """Start one step; nothing of the work goes on after it, and no bare OSError leaves it."""
    folder = in_definition(stack, options.build_dir)
    if (caches := cache_folder(stack, options)) is not None:
        options = replace(options, environ={**options.environ, "UV_CACHE_DIR": str(caches / "uv")})
    work = Work(options.observe, options.jobs)
    try:
        yield Session(stack, options, folder, scratch, work)
    except VenvstacksError:
        raise
    except OSError as error:
        raise explain_os_error(error, f"work in {folder}") from error
    finally:
        work.cancellation.cancel()
