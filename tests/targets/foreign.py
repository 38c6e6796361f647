"""What the interpreters of all foreign targets have in common."""

import os
import selectors
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import IO, Protocol

# Long enough for numpy under emulation on a busy machine; whatever takes longer hangs.
TIMEOUT = 300


class Run(Protocol):
    """Runs an interpreter for another target on this machine."""

    def __call__(
        self,
        python: Path,
        *arguments: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run an interpreter to its end.

        Args:
            python: The program, as a path of this machine: a runtime's or a layer's.
            arguments: Its arguments; a ``Path`` is passed as the target writes it.
            cwd: Where it runs.
            env: Environment variables, in addition to the few that it needs.
            check: Whether another exit status than 0 fails the test.
        """
        ...


def run_program(
    command: Sequence[str | Path], env: Mapping[str, str], *, cwd: Path | None, check: bool
) -> subprocess.CompletedProcess[str]:
    """Run an emulator, with nothing of this process's environment but where programs are found.

    Its output is what it wrote until it ended. Waiting for the end of its pipes, as ``subprocess.run`` does, may
    take as long as wine runs: a service that wine starts for one program keeps that program's pipes.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            stdout, stderr = _read_until_end(process.pid, (process.stdout, process.stderr))
        except BaseException:
            process.kill()
            raise
        status = process.wait()
    shown = " ".join(str(part) for part in command)
    assert status == 0 or not check, f"{shown}\nexit status {status}\n{stdout}{stderr}"
    return subprocess.CompletedProcess(command, status, stdout, stderr)


def _read_until_end(process: int, pipes: Sequence[IO[bytes]]) -> list[str]:
    read = {pipe.fileno(): bytearray() for pipe in pipes}
    ended = os.pidfd_open(process)
    deadline = monotonic() + TIMEOUT
    with selectors.DefaultSelector() as selector:
        for descriptor in (*read, ended):
            selector.register(descriptor, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(max(0, deadline - monotonic()))}
            assert ready, f"no end in {TIMEOUT} seconds, so far: {b''.join(read.values())!r}"
            for descriptor in ready - {ended}:
                if not (piece := os.read(descriptor, 65536)):
                    selector.unregister(descriptor)
                read[descriptor] += piece
            # Nothing is written after the end: what is not ready together with it never will be.
            if ready == {ended}:
                os.close(ended)
                break
    return [bytes(text).decode(errors="replace").replace("\r\n", "\n") for text in read.values()]
