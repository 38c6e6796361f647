"""The one module that runs other programs."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
        with (
            subprocess.Popen(
                argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
            ) as process,
            self._ending(process),
        ):
            stdout, stderr = process.communicate()
        self.check()
        output, errors = stdout.decode(errors="replace"), stderr.decode(errors="replace")
        return Completed(argv, process.returncode, output, errors)

    def run_shell(self, command: str, *, env: Mapping[str, str]) -> int:
        """Run a command of the user's through the system's shell, and return its exit status.

        What it prints goes to stderr, so that it may leave programs behind that go on printing.
        """
        self.check()
        shell = (
            f'{env.get("COMSPEC", "cmd.exe")} /d /s /c "{command}"'
            if os.name == "nt"
            else ["/bin/sh", "-c", command]
        )
        output = _stderr()
        with (
            subprocess.Popen(shell, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process,
            self._ending(process),
        ):
            process.wait()
        self.check()
        return process.returncode

    @contextmanager
    def _ending(self, process: "subprocess.Popen[bytes]") -> Iterator[None]:
        """End a program when the work is cancelled, or when it is not waited for any more."""
        self._running.add(process)
        try:
            if self._cancelled:  # before it was among those that are terminated
                process.terminate()
            yield
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            self._running.discard(process)


def _stderr() -> int:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or not a real stream
        return subprocess.DEVNULL


def ask(argv: Sequence[str | Path], question: str, *, env: Mapping[str, str], patience: float) -> Completed:
    """Run a program that reads a question and prints an answer.

    Raises:
        TimeoutError: It took longer than ``patience``, in seconds, and was ended.
    """
    try:
        return subprocess.run(
            argv, input=question, env=env, capture_output=True, timeout=patience, check=False, encoding="utf-8"
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error


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
