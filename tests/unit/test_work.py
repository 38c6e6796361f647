import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest

from venvstacks.processes import CancelledError
from venvstacks.work import Task, Work, default_jobs, run_tasks

PATIENT = [sys.executable, "-c", "import threading; threading.Event().wait(60)"]
Run = Callable[[Mapping[str, int]], int]


def _task(key: str, needs: str = "", run: Run = len) -> Task[str, int]:
    return Task(key, tuple(needs), run)


def test_results_stand_in_the_order_of_the_tasks() -> None:
    second = threading.Event()

    def slow(_: Mapping[str, int]) -> int:
        assert second.wait(5)
        return 1

    def quick(_: Mapping[str, int]) -> int:
        second.set()
        return 2

    results = run_tasks([_task("a", run=slow), _task("b", run=quick)], Work(jobs=2))
    assert list(results.items()) == [("a", 1), ("b", 2)]


def test_tasks_wait_for_what_they_need_and_get_its_results() -> None:
    tasks = [
        _task("a", run=lambda _: 1),
        _task("b", "a", lambda done: done["a"] + 1),
        _task("c", "ab?", lambda done: done["a"] + done["b"]),  # '?' is not among the tasks
    ]
    assert run_tasks(tasks, Work(jobs=3)) == {"a": 1, "b": 2, "c": 3}


def test_independent_tasks_run_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=5)
    assert run_tasks([_task(key, run=lambda _: together.wait() * 0) for key in "ab"], Work(jobs=2)) == {
        "a": 0,
        "b": 0,
    }


def test_no_more_than_the_given_number_of_tasks_run_at_once() -> None:
    running, most = 0, 0
    guard = threading.Lock()

    def run(_: Mapping[str, int]) -> int:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        with guard:
            running -= 1
        return 0

    assert len(run_tasks([_task(str(n), run=run) for n in range(20)], Work(jobs=1))) == 20
    assert most == 1


def test_nothing_to_do() -> None:
    assert run_tasks([], Work(jobs=0)) == {}


def test_an_error_calls_the_others_off() -> None:
    work = Work(jobs=2)
    started = threading.Event()
    ended: list[str] = []

    def fail(_: Mapping[str, int]) -> int:
        assert started.wait(5)
        raise ValueError("first")

    def patient(_: Mapping[str, int]) -> int:
        started.set()
        with suppress(CancelledError):
            work.cancellation.run(PATIENT)
        ended.append("patient")
        work.cancellation.check()
        return 0

    tasks = [
        _task("fail", run=fail),
        _task("patient", run=patient),
        _task("never", "p", lambda _: ended.append("x") or 0),
    ]
    tasks[2] = Task("never", ("patient",), tasks[2].run)
    with pytest.raises(ValueError, match="first"):
        run_tasks(tasks, work)
    assert ended == ["patient"]


def test_of_errors_at_the_same_time_the_first_tasks_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=5)
    work = Work(jobs=3)

    def failing(error: Exception) -> Run:
        def run(_: Mapping[str, int]) -> int:
            together.wait()
            raise error

        return run

    errors = [CancelledError(), ValueError("b"), ValueError("c")]
    tasks = [_task(str(number), run=failing(error)) for number, error in enumerate(errors)]
    monkeypatch.setattr("venvstacks.work.wait", lambda futures, **_: wait(futures))
    with pytest.raises(ValueError, match=r"^b$"):
        run_tasks(tasks, work)
    with pytest.raises(CancelledError):
        work.cancellation.check()


def test_a_cancellation_from_outside_reaches_the_caller() -> None:
    work, started = Work(jobs=1), threading.Event()

    def patient(_: Mapping[str, int]) -> int:
        started.set()
        return work.cancellation.run(PATIENT).status

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_tasks, [_task("a", run=patient)], work)
        assert started.wait(5)
        work.cancellation.cancel()
        assert isinstance(running.exception(5), CancelledError)


def test_there_is_at_least_one_job() -> None:
    assert default_jobs() >= 1
    assert Work().jobs == default_jobs()
