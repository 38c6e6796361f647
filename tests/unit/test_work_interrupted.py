"""Signals while threads are at work: nothing waits forever, wherever the main thread was."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest

from venvstacks.archives.pool import frame_pool
from venvstacks.processes import Cancellation, CancelledError
from venvstacks.work import Task, Work, run_tasks, signals_cancel


class StoppedError(BaseException):
    """What a handler raises."""


@pytest.fixture(autouse=True)
def stopping() -> Iterator[None]:
    def stop(_: int, __: FrameType | None) -> None:
        raise StoppedError

    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


def raising(cancellation: Cancellation, ended: list[str]) -> None:
    with signals_cancel(cancellation):
        with signals_cancel(cancellation):
            cancellation.check()
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            ended.append("inner")
        ended.append("outer")
        cancellation.check()


def test_a_signal_cancels_and_is_handled_at_the_end_of_the_outermost_section() -> None:
    ended: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        raising(Cancellation(), ended)
    assert ended == ["inner", "outer"]
    with pytest.raises(StoppedError):
        signal.raise_signal(signal.SIGTERM)


def test_without_signals_errors_pass() -> None:
    with pytest.raises(ValueError, match="own"), signals_cancel(Cancellation()):
        raise ValueError("own")


def test_a_handler_that_does_not_raise_cancels_nothing() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    cancellation = Cancellation()
    try:
        with signals_cancel(cancellation), signals_cancel(cancellation):
            signal.raise_signal(signal.SIGTERM)
            cancellation.check()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]


def test_other_handlers_and_threads_are_left_alone() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(signals_cancel(Cancellation()).__enter__).result()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_cancel(Cancellation()):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def run_some_tasks() -> None:
    def run(done: Mapping[int, int]) -> int:
        return len(done)

    run_tasks([Task(f"task {number}", number, (number - 1,), run) for number in range(4)], Work(jobs=2))


def run_some_frames() -> None:
    with frame_pool(Work(jobs=2)) as pool:
        assert list(pool.in_order(range(8), abs)) == list(range(8))
        pool.run_all([threading.get_ident] * 4)  # type: ignore[list-item]


@pytest.mark.parametrize("work", [run_some_tasks, run_some_frames])
def test_interrupts_in_the_midst_of_locking(work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal arrives when the main thread has just locked what a future needs, each time in turn."""
    enter = threading.Condition.__enter__
    main = threading.get_ident()
    moments = 0
    last = 1

    def interrupted(condition: threading.Condition) -> bool:
        nonlocal moments
        locked = enter(condition)
        if threading.get_ident() == main:
            moments += 1
            if moments == last:
                signal.raise_signal(signal.SIGTERM)
        return locked

    monkeypatch.setattr(threading.Condition, "__enter__", interrupted)
    while True:
        moments = 0
        try:
            work()
        except StoppedError:
            last += 1
        except CancelledError:
            pytest.fail("the signal got lost")
        else:
            break
    assert moments < last  # it differs a little with how threads take turns
    assert last > 4
