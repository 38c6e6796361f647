import threading
from collections.abc import Iterator

import pytest

from fakes.patience import PATIENCE
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.processes import CancelledError
from venvstacks.work import Work


@pytest.fixture
def pool() -> Iterator[FramePool]:
    with frame_pool(Work(jobs=1)) as pool:
        yield pool


def test_idle_threads_go_ahead(pool: FramePool) -> None:
    begun = {number: threading.Event() for number in range(5)}

    def run(number: int) -> str:
        begun[number].set()
        return f"result {number}"

    found = []
    for number, result in pool.ahead(range(5), run):
        if number < 4:
            assert begun[number + 1].wait(PATIENCE)
        found.append((number, result))
    assert found == [(0, None), *((number, f"result {number}") for number in range(1, 5))]
    assert not begun[0].is_set()


def test_busy_threads_are_not_waited_for(pool: FramePool) -> None:
    release = threading.Event()
    pool.submit(lambda: release.wait(PATIENCE))
    try:
        handled: list[int] = []
        assert list(pool.ahead(range(5), handled.append)) == [(number, None) for number in range(5)]
    finally:
        release.set()
    assert handled == []


def test_errors_of_going_ahead(pool: FramePool) -> None:
    begun = threading.Event()

    def run(number: int) -> int:
        begun.set()
        raise ValueError(number)

    ahead = pool.ahead((0, 1, 2), run)
    assert next(ahead) == (0, None)
    assert begun.wait(PATIENCE)
    with pytest.raises(ValueError, match="1"):
        next(ahead)


def test_no_further_than_the_end_of_the_work() -> None:
    work = Work(jobs=1)
    with frame_pool(work) as pool:
        ahead = pool.ahead((0, 1), str)
        next(ahead)
        work.cancellation.cancel()
        with pytest.raises(CancelledError):
            next(ahead)


def test_everything_is_done(pool: FramePool) -> None:
    done: list[int] = []
    pool.run_all([lambda: done.append(1), lambda: done.append(2)])
    assert done == [1, 2]


def test_nothing_is_at_work_after_an_error() -> None:
    begun, failing = threading.Event(), threading.Event()
    ended: list[str] = []

    def fail() -> None:
        assert begun.wait(PATIENCE)
        failing.set()
        raise ValueError("failed")

    def go_on() -> None:
        begun.set()
        assert failing.wait(PATIENCE)
        ended.append("the other")

    with frame_pool(Work(jobs=2)) as pool:
        with pytest.raises(ValueError, match="failed"):
            pool.run_all([fail, go_on])
        assert ended == ["the other"]
