"""What a person sees: results on stdout, everything else on stderr. The only module that knows rich."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from venvstacks.events import Event, Finished, Observer, Progressed, Started, Step, Waiting, Warned, silent
from venvstacks.humanize import size_text

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID
    from rich.text import Text

_VERBS = {
    Step.LOCK: ("locking", "locked"),
    Step.BUILD: ("building", "built"),
    Step.PUBLISH: ("publishing", "published"),
    Step.EXPORT: ("exporting", "exported"),
    Step.UNPACK: ("unpacking", "unpacked"),
    Step.PATCH: ("patching", "patched"),
    Step.PUSH: ("pushing", "pushed"),
    Step.DEPLOY: ("deploying", "deployed"),
    Step.VERIFY: ("verifying", "verified"),
    Step.REPAIR: ("repairing", "repaired"),
}
_WIDTH = 10


def has_colour(stream: TextIO) -> bool:
    """Whether a stream is to be written to in colour (``NO_COLOR``, ``FORCE_COLOR`` and ``TERM=dumb`` count)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_lively(stream)


def is_lively(stream: TextIO) -> bool:
    """Whether progress bars can be drawn on a stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Return a text in a colour (an ANSI code), if the stream shows any."""
    return f"\x1b[{colour}m{text}\x1b[0m" if has_colour(stream) else text


def print_lines(text: str) -> None:
    """Print to stderr; a reader that has gone is no reason to stop working."""
    with suppress(OSError):
        print(text.rstrip("\n"), file=sys.stderr, flush=True)


def print_error(message: str, hint: str | None) -> None:
    """Print one error message."""
    lines = f"{paint('error:', '1;31', sys.stderr)} {message}"
    print_lines(f"{lines}\n{paint('hint:', '36', sys.stderr)} {hint}" if hint else lines)


def print_warning(message: str) -> None:
    """Print one warning."""
    print_lines(_format_warning(message))


def _format_warning(message: str) -> str:
    return f"{paint('warning:', '33', sys.stderr)} {message}"


@contextmanager
def reporter(verbosity: int) -> Iterator[Observer]:
    """Return an observer for this terminal."""
    if verbosity < 0:
        yield silent
        return
    observer = (_Lively if is_lively(sys.stderr) else _Plain)(verbosity)
    try:
        yield observer
    finally:
        observer.close()


def _title(event: Started | Finished) -> str:
    """Name a layer, with its platform if that is not this machine's."""
    from venvstacks.platforms.targets import host_target  # noqa: PLC0415 - help must be quick

    foreign = event.platform and event.platform != host_target().name
    return f"{event.layer} ({event.platform})" if foreign else event.layer


def _format(event: Event, verbosity: int) -> str | None:
    """Return the lasting line that an event is worth."""
    match event:
        case Warned():
            return _format_warning(event.message)
        case Finished(changed=True):
            seconds = f"{event.seconds:.1f} s"
            return f"{_VERBS[event.step][1]:>{_WIDTH}}  {_title(event)}  {event.summary}, {seconds}"
        case Finished() if verbosity > 0:
            return f"{'unchanged':>{_WIDTH}}  {_title(event)}  {event.summary}"
        case Started() if verbosity > 1:
            return f"{_VERBS[event.step][0]:>{_WIDTH}}  {_title(event)}"
        case Waiting():
            return f"{'waiting':>{_WIDTH}}  another run is using {event.folder}"
    return None


class _Plain:
    """Prints a line for each event that is worth one; any thread may call it."""

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity
        self._guard = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._guard:
            self._draw(event)
            if line := _format(event, self._verbosity):
                self._print(line)

    def _draw(self, event: Event) -> None:
        """Show an event for a while."""

    def _print(self, line: str) -> None:
        print_lines(line)

    def close(self) -> None:
        """Remove what is only shown for a while."""


class _Lively(_Plain):
    """Draws a bar for each layer that is being handled, and leaves a line behind."""

    def __init__(self, verbosity: int) -> None:
        super().__init__(verbosity)
        self._progress: Progress | None = (
            None  # from the first event on: a command that does nothing needs no rich
        )
        self._tasks: dict[tuple[Step, str, str], TaskID] = {}

    def _draw(self, event: Event) -> None:
        if self._progress is None:
            self._progress = _start_bars()
        match event:
            case Started():
                text = f"{_VERBS[event.step][0]} {_title(event)}"
                self._tasks[_key(event)] = self._progress.add_task(text, total=None)
            case Progressed() if _key(event) in self._tasks:
                self._progress.update(self._tasks[_key(event)], completed=event.done, total=event.total)
            case Finished() if _key(event) in self._tasks:
                self._progress.remove_task(self._tasks.pop(_key(event)))

    def _print(self, line: str) -> None:
        from rich.text import Text  # noqa: PLC0415 - only when something is drawn

        # a ready-made text: names and paths may look like rich's own markup
        if self._progress is not None:
            self._progress.console.print(Text.from_ansi(line))

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _key(event: Started | Progressed | Finished) -> tuple[Step, str, str]:
    return event.step, event.layer, event.platform


def _start_bars() -> "Progress":
    from rich.console import Console  # noqa: PLC0415 - only when something is drawn
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    class Sizes(ProgressColumn):
        def render(self, task: "Task") -> "Text":
            if task.total is None:
                return Text()
            rate = f"  {size_text(int(task.speed))}/s" if task.speed else ""
            return Text(f"{size_text(int(task.completed))} of {size_text(int(task.total))}{rate}")

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), Sizes())
    console = Console(stderr=True, soft_wrap=True)
    progress = Progress(*columns, console=console, transient=True, redirect_stdout=False)
    progress.start()
    return progress
