"""Commands before and after a switch."""

import os
import threading
from pathlib import Path

import pytest

from fakes.deployments import make_deployment
from fakes.patience import PATIENCE
from venvstacks.deploying.generations import read_generation
from venvstacks.deploying.hooks import run_check, run_then
from venvstacks.errors import DeploymentError
from venvstacks.processes import Cancellation, CancelledError


def test_a_check_starts_the_new_generation(tmp_path: Path) -> None:
    home = make_deployment(tmp_path / "root", "1", "2")
    told = tmp_path / "told"
    command = (
        f'one > "{told}"; echo "$VENVSTACKS_RELEASE $VENVSTACKS_GENERATION $VENVSTACKS_DEPLOYMENT" >> "{told}"'
    )
    run_check(command, home, read_generation(home, 1), Cancellation())
    assert "app-one of 1" in told.read_text().splitlines()
    assert told.read_text().splitlines()[-1] == f"1 1 {home.folder}"
    assert run_then(command, home, read_generation(home, 2), Cancellation()) == ""
    assert "app-one of 2" in told.read_text().splitlines()


def test_a_check_that_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = make_deployment(tmp_path, "1")
    with pytest.raises(DeploymentError, match=r"check of release 1 failed, so that .* stays as it is") as caught:
        run_check("echo out; echo err >&2; exit 3", home, read_generation(home, 1), Cancellation())
    assert "exit code 3" in str(caught.value)
    assert capfd.readouterr() == ("", "out\nerr\n")  # stdout is left to data
    assert run_then("kill -9 $$", home, read_generation(home, 1), Cancellation()).endswith("signal 9.")


def test_what_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    pid = tmp_path / "pid"
    assert run_then(f"sleep 600 & echo $! > {pid}", home, read_generation(home, 1), Cancellation()) == ""
    os.kill(int(pid.read_text()), 9)


def test_cancelling_ends_it(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    started = tmp_path / "started"
    os.mkfifo(started)
    cancellation = Cancellation()
    ended: list[BaseException] = []

    def run() -> None:
        try:
            run_then(f"echo > {started}; exec sleep 600", home, read_generation(home, 1), cancellation)
        except CancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    started.read_text()
    cancellation.cancel()
    thread.join(PATIENCE)
    assert len(ended) == 1
