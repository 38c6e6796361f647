"""What a project reads, and when."""

import threading
from pathlib import Path

import venvstacks
from fakes.definitions import define
from fakes.patience import PATIENCE
from venvstacks.events import Event, Waiting, silent
from venvstacks.workspace import hold_workspace


def test_what_was_read_is_read_again_after_waiting_for_another_run(tmp_path: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with hold_workspace(tmp_path / "_build", wait=True, observe=silent):
            held.set()
            release.wait(PATIENCE)

    def observe(event: Event) -> None:
        if isinstance(event, Waiting):
            release.set()

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(PATIENCE)
    with venvstacks.Project(define(tmp_path), venvstacks.Options(observe=observe)) as project:
        before = project.builds.states
        assert project.builds.states is before
        assert project.lock(if_needed=True, include=[]) == ()
        assert project.builds.states is not before
    other.join()
