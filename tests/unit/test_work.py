import sys
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

import pytest

from fakes.patience import PATIENCE
from venvstacks.processes import CancelledError
from venvstacks.work import Task, Work, default_jobs, run_tasks

PATIENT = [sys.executable, "-S", "-c", "import threading; threading.Event().wait(300)"]
Run = Callable[[Mapping[str, int]], int]


def _task(key: str, needs: str = "", run: Run = len) -> Task[str, int]:
    return Task(f"do {key}", key, tuple(needs), run)


def test_results_stand_in_the_order_of_the_tasks() -> None:
    second = threading.Event()

    def slow(_: Mapping[str, int]) -> int:
        assert second.wait(PATIENCE)
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


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_as_many_tasks_as_there_are_jobs_run_at_once(jobs: int) -> None:
    guard = threading.Lock()
    together = threading.Barrier(jobs, timeout=PATIENCE)  # breaks if fewer run at once
    running, most = 0, 0

    def run(_: Mapping[str, int]) -> int:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        together.wait()
        with guard:
            running -= 1
        together.wait()
        return 0

    run_tasks([_task(str(n), run=run) for n in range(4 * jobs)], Work(jobs=jobs))
    assert most == jobs


def test_no_more_tasks_than_jobs_run_at_once() -> None:
    """While both threads are held up, no third task begins, however long that takes."""
    guard = threading.Lock()
    running: list[str] = []
    most = 0
    overtaken = threading.Event()

    def run(_: Mapping[str, int]) -> int:
        nonlocal most
        name = threading.current_thread().name
        with guard:
            running.append(name)
            most = max(most, len(running))
            if len(running) > 2:
                overtaken.set()
        overtaken.wait(0.05)
        with guard:
            running.remove(name)
        return 0

    run_tasks([_task(str(n), run=run) for n in range(6)], Work(jobs=2))
    assert most == 2


def test_tasks_get_only_what_they_need() -> None:
    tasks = [_task("a", run=lambda _: 1), _task("b", run=lambda _: 2), _task("c", "b?", run=lambda done: [*done])]  # type: ignore[return-value, arg-type]
    assert run_tasks(tasks, Work(jobs=1))["c"] == ["b"]  # type: ignore[comparison-overlap]


def test_of_the_tasks_that_are_ready_the_first_begins() -> None:
    begun: list[str] = []
    keys = "cabd"
    tasks = [_task(key, "b" if key == "a" else "", lambda _, key=key: begun.append(key) or 0) for key in keys]  # type: ignore[misc, func-returns-value]
    run_tasks(tasks, Work(jobs=1))
    assert begun == ["c", "b", "d", "a"]


def test_many_tasks_take_time_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for at once depends on the number of threads, and not on that of the tasks."""
    waited: list[int] = []

    def counting(futures: Collection[Future[int]], return_when: str) -> object:
        waited.append(len(futures))
        return wait(futures, return_when=return_when)

    monkeypatch.setattr("venvstacks.work.wait", counting)
    assert len(run_tasks([_task(str(n)) for n in range(100)], Work(jobs=2))) == 100
    assert max(waited) == 4


def test_a_stack_trace_names_the_task() -> None:
    seen: list[str] = []

    def run(_: Mapping[str, int]) -> int:
        seen.append(threading.current_thread().name)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong") as caught:
        run_tasks([_task("a", run=run)], Work(jobs=1))
    assert seen == ["do a"]
    assert caught.value.__notes__ == ["in the task: do a"]


def test_nothing_to_do() -> None:
    assert run_tasks([], Work(jobs=0)) == {}


def test_an_error_cancels_the_others() -> None:
    work = Work(jobs=2)
    started = threading.Event()
    ended: list[str] = []

    def fail(_: Mapping[str, int]) -> int:
        assert started.wait(PATIENCE)
        raise ValueError("first")

    def patient(_: Mapping[str, int]) -> int:
        started.set()
        with suppress(CancelledError):
            work.cancellation.run(PATIENT)
        ended.append("patient")
        work.cancellation.check()
        return 0

    def never(_: Mapping[str, int]) -> int:
        ended.append("x")
        return 0

    tasks = [
        _task("fail", run=fail),
        _task("patient", run=patient),
        _task("never", "p", never),
    ]
    tasks[2] = Task("do never", "never", ("patient",), tasks[2].run)
    with pytest.raises(ValueError, match="first"):
        run_tasks(tasks, work)
    assert ended == ["patient"]


def test_of_errors_at_the_same_time_the_first_tasks_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=PATIENCE)
    work = Work(jobs=3)

    def failing(error: Exception) -> Run:
        def run(_: Mapping[str, int]) -> int:
            together.wait()
            raise error

        return run

    errors = [CancelledError(), ValueError("b"), ValueError("c")]
    tasks = [_task(str(number), run=failing(error)) for number, error in enumerate(errors)]
    monkeypatch.setattr("venvstacks.work.wait", lambda futures, **_: wait(futures))
    with pytest.raises(ValueError, match=r"^b\n"):
        run_tasks(tasks, work)
    with pytest.raises(CancelledError):
        work.cancellation.check()


def test_a_cancellation_from_outside_reaches_the_caller() -> None:
    work, started = Work(jobs=1), threading.Event()

    def patient(_: Mapping[str, int]) -> int:
        started.set()
        return work.cancellation.run(PATIENT).returncode

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_tasks, [_task("a", run=patient)], work)
        assert started.wait(PATIENCE)
        work.cancellation.cancel()
        assert isinstance(running.exception(PATIENCE), CancelledError)


def test_there_is_at_least_one_job() -> None:
    assert default_jobs() >= 1
    assert Work().jobs == default_jobs()
