"""Processes hold the leases of what they run from, and prune sees it."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from venvstacks.deploying.leases import Use, hold_alone, is_leased, last_used, mark_used
from venvstacks.deploying.places import Home, LayerPlace
from venvstacks.payload import activate

CODE = """
import os, sys
sys.path.insert(0, sys.argv[1])
if "closed" in sys.argv:
    os.close(0)
    os.close(2)
import activate
activate._hold_lease(sys.argv[2])
if "fork" in sys.argv and os.fork():
    os._exit(0)  # the child goes on with the lock
if "closed" in sys.argv:
    assert [os.open(os.devnull, os.O_RDWR) for _ in range(2)] == [0, 2]
print("ready", flush=True)
sys.stdin = sys.stdin or open(sys.argv[3])
open(sys.argv[3]).read() if "closed" in sys.argv else sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path) -> LayerPlace:
    place = Home(tmp_path).place_of("0" * 32, "app-x")
    place.path.mkdir(parents=True)
    place.lease.parent.mkdir()
    place.lease.touch()
    return place


def open_leases(place: LayerPlace) -> list[int]:
    found = (
        path for path in Path("/proc/self/fd").iterdir() if os.path.realpath(path) == str(place.lease.resolve())
    )
    return [int(path.name) for path in found]


def close_leases(place: LayerPlace) -> None:
    for held in open_leases(place):
        os.close(held)


@contextmanager
def process(layer: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that takes a layer's lease as its activation does, and reads its stdin to the end."""
    pipe = layer / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, "-c", CODE, Path(activate.__file__).parent, layer, pipe, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        try:
            yield started
        finally:
            started.kill()


def test_a_running_process_holds_its_lease(place: LayerPlace) -> None:
    assert not is_leased(place)
    with process(place.path), process(place.path) as second:
        assert is_leased(place)
        second.kill()
        second.wait()
        assert is_leased(place)
    assert not is_leased(place)


def test_a_fork_shares_it(place: LayerPlace) -> None:
    with process(place.path, "fork") as parent:
        assert parent.wait() == 0
        assert is_leased(place)
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.close()
        assert parent.stdout.read() == ""  # the child has ended
    assert not is_leased(place)


def test_it_takes_the_number_of_no_stream(place: LayerPlace) -> None:
    with process(place.path, "closed"):
        assert is_leased(place)


def test_programs_that_are_started_do_not_inherit_it(place: LayerPlace) -> None:
    activate._hold_lease(str(place.path))
    (held,) = open_leases(place)
    assert not os.get_inheritable(held)
    close_leases(place)


def test_no_deployment_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", pytest.fail)
    activate._hold_lease(str(tmp_path / "app-x"))


def refusing(number: int) -> Callable[..., Any]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_errors_do_not_keep_an_application_from_starting(
    place: LayerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open(place.lease, os.O_RDONLY)
    monkeypatch.setattr(os, "open", lambda *_: opened)
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    activate._hold_lease(str(place.path))
    monkeypatch.setattr(os, "open", refusing(errno.EACCES))
    activate._hold_lease(str(place.path))
    os.close(opened)


def test_leases_are_held_together(tmp_path: Path, place: LayerPlace) -> None:
    other = tmp_path / "other"
    other.touch()
    with hold_alone([other, place.lease, tmp_path / "missing"]) as use:
        assert use is Use.FREE
        with hold_alone([other]) as again:
            assert again is Use.HELD
    with process(place.path), hold_alone([other, place.lease]) as use:
        assert use is Use.HELD
    with hold_alone([other]) as use:
        assert use is Use.FREE


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks(place: LayerPlace, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    with hold_alone([place.lease]) as use:
        assert use is Use.UNKNOWN
    assert is_leased(place)


def test_a_lease_of_somebody_else(place: LayerPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", refusing(errno.EACCES))
    with hold_alone([place.lease]) as use:
        assert use is Use.UNKNOWN


def test_when_a_layer_was_used(place: LayerPlace) -> None:
    os.utime(place.lease, (1000, 1000))
    assert last_used(place.lease) == 1000
    mark_used([place.lease, place.path / "missing"])
    assert last_used(place.lease) > 1_600_000_000
    assert last_used(place.path / "missing") == 0


def test_it_waits_for_whoever_looks_but_not_for_ever(place: LayerPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    with place.lease.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(time, "sleep", waited.append)
        activate._hold_lease(str(place.path))  # somebody holds it for long
        assert sum(waited) < 0.1
        release = lambda _: fcntl.flock(other, fcntl.LOCK_UN)  # noqa: E731
        monkeypatch.setattr(time, "sleep", release)
        activate._hold_lease(str(place.path))
    assert is_leased(place)
    close_leases(place)
    assert not is_leased(place)
