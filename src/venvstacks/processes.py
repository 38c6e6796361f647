"""The one module that runs other programs."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

Completed = subprocess.CompletedProcess[str]
"""What a finished program left: exit status (negative for a signal) and all that it printed."""


class CancelledError(Exception):
    """The work was cancelled; never shown to users, its reason is."""


class Cancellation:
    """A cancellation token that several threads share; cancelling ends the programs they started too.

    It takes no lock, so that a signal's handler may use it wherever it interrupts its thread.
    """

    __slots__ = ("_cancelled", "_running")

    def __init__(self) -> None:
        self._cancelled = False
        self._running: set[subprocess.Popen[bytes]] = set()

    def cancel(self) -> None:
        """Cancel the work: running programs are terminated, later checks raise."""
        self._cancelled = True
        for process in tuple(self._running):
            process.terminate()

    def check(self) -> None:
        """Raise :class:`CancelledError` if the work was cancelled."""
        if self._cancelled:
            raise CancelledError

    def run(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Completed:
        """Run a program to its end and collect what it prints."""
        self.check()
        pipe = subprocess.PIPE
        with subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        ) as process:
            self._running.add(process)
            try:
                if self._cancelled:  # before it was among those that are terminated
                    process.terminate()
                stdout, stderr = process.communicate()
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                self._running.discard(process)
        self.check()
        output, errors = stdout.decode(errors="replace"), stderr.decode(errors="replace")
        return Completed(argv, process.returncode, output, errors)


def become(argv: Sequence[str], *, env: Mapping[str, str]) -> int:
    """Let a program take the place of this process, so that its signals, streams and status are its own.

    Where processes cannot be replaced (Windows), the program runs as a child.
    """
    if os.name == "posix":
        os.execve(argv[0], list(argv), dict(env))  # noqa: S606 - that is the purpose
    with subprocess.Popen(argv, env=env) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the child has got it as well, and decides
