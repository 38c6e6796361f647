"""What one step works with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from venvstacks.definition.stack import Stack
from venvstacks.files import explain_os_errors
from venvstacks.options import Options, cache_folder, in_definition
from venvstacks.uv import Uv, find_uv
from venvstacks.work import Work


@dataclass(frozen=True)
class Session:
    """What one step works with; ``scratch`` is for intermediate files, and shared by all steps of a project."""

    stack: Stack
    options: Options
    scratch: Path
    work: Work

    @cached_property
    def uv(self) -> Uv:
        """The program; found, or refused, when it is first needed."""
        return find_uv(self.options.environ, self.scratch)

    @property
    def build_folder(self) -> Path:
        """The build folder, absolute."""
        return in_definition(self.stack, self.options.build_dir)

    @property
    def wheel_folders(self) -> tuple[Path, ...]:
        """The folders with local wheels, absolute."""
        return tuple(in_definition(self.stack, folder) for folder in self.options.local_wheels)

    @property
    def strict(self) -> bool:
        """Whether findings are errors."""
        return self.stack.strict if self.options.strict is None else self.options.strict


@contextmanager
def open_session(stack: Stack, options: Options, scratch: Path) -> Iterator[Session]:
    """Open the session of one step; at its end all work is cancelled, and an OSError of it is explained."""
    if (caches := cache_folder(stack, options)) is not None:
        options = replace(options, environ={**options.environ, "UV_CACHE_DIR": str(caches / "uv")})
    session = Session(stack, options, scratch, Work(options.observe, options.jobs))
    try:
        with explain_os_errors(f"work in {session.build_folder}"):
            yield session
    finally:
        session.work.cancellation.cancel()
