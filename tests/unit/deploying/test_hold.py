"""One run at a time changes a deployment."""

import errno
import fcntl
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from fakes.patience import PATIENCE
from venvstacks.deploying.hold import hold_deployment
from venvstacks.errors import BusyError, DeploymentError, FilesystemError
from venvstacks.events import Event, Waiting, Warned, silent


def test_the_second_waits_and_says_so(tmp_path: Path) -> None:
    root = tmp_path / "new"
    events: list[Event] = []
    waiting, entered = threading.Event(), threading.Event()

    def observe(event: Event) -> None:
        events.append(event)
        waiting.set()

    def second() -> None:
        with hold_deployment(root, wait=True, observe=observe):
            entered.set()

    thread = threading.Thread(target=second)
    with hold_deployment(root, wait=True, observe=silent):
        thread.start()
        assert waiting.wait(PATIENCE)
        assert not entered.is_set()
        with (
            pytest.raises(BusyError, match="Another run is changing"),
            hold_deployment(root, wait=False, observe=silent),
        ):
            pytest.fail("two runs hold it")
    thread.join(PATIENCE)
    assert entered.is_set()
    assert events == [Waiting(str(root))]


def test_programs_that_are_started_do_not_hold_it(tmp_path: Path) -> None:
    with hold_deployment(tmp_path, wait=False, observe=silent):
        child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        with hold_deployment(tmp_path, wait=False, observe=silent):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    events: list[Event] = []
    with hold_deployment(tmp_path, wait=False, observe=events.append):
        pass
    assert [event for event in events if isinstance(event, Warned) and "has no locks" in event.message]


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EACCES, DeploymentError, "run the command as "),
        (errno.EPERM, DeploymentError, "run the command as "),
        (errno.EROFS, DeploymentError, "make its file system writable"),
        (errno.ENOSPC, FilesystemError, "free some space"),
    ],
)
def test_what_may_not_be_changed(tmp_path: Path, number: int, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match="change") as caught, hold_deployment(tmp_path, wait=False, observe=silent):
        raise OSError(number, os.strerror(number), str(tmp_path / "file"))
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with (
        pytest.raises(DeploymentError, match="cannot be changed: Permission denied"),
        hold_deployment(tmp_path, wait=False, observe=silent),
    ):
        pytest.fail("it may be changed")


def test_it_ends_although_a_program_is_just_being_started(tmp_path: Path) -> None:
    with hold_deployment(tmp_path, wait=False, observe=silent):
        child = os.fork()
        if child == 0:  # has all files open, as before a program takes its place
            signal.pause()
            os._exit(0)
    try:
        with hold_deployment(tmp_path, wait=False, observe=silent):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
