"""How work is carried out: observed, in parallel, and able to be called off."""

import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from venvstacks.events import Observer, silent
from venvstacks.interrupts import signals_cancel
from venvstacks.processes import Cancellation, CancelledError

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


def default_jobs() -> int:
    """Return the number of processors this process may use."""
    count = getattr(os, "process_cpu_count", None)
    if count is not None:
        return count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Work:
    """What every step needs beside its plan.

    Attributes:
        observe: Called with each event, from any thread.
        jobs: How many layers are handled at once.
        cancellation: Shared by all threads of the step.
    """

    observe: Observer = silent
    jobs: int = field(default_factory=default_jobs)
    cancellation: Cancellation = field(default_factory=Cancellation)


@dataclass(frozen=True)
class Task(Generic[Key, Result]):
    """A piece of work that may need the results of others.

    Attributes:
        key: Its name among the tasks.
        needs: Keys of the tasks whose results it needs; those that are not among the tasks are ignored.
        run: Does the work, given the results of all tasks that have ended so far.
    """

    key: Key
    needs: tuple[Key, ...]
    run: Callable[[Mapping[Key, Result]], Result]


@contextmanager
def threads(work: Work) -> Iterator[ThreadPoolExecutor]:
    """Start threads, and wait for their end; meanwhile, signals call the work off, and so does an error."""
    with signals_cancel(work.cancellation), ThreadPoolExecutor(max(1, work.jobs)) as pool:
        try:
            yield pool
        except BaseException:
            work.cancellation.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_tasks(tasks: Sequence[Task[Key, Result]], work: Work) -> dict[Key, Result]:
    """Run tasks in threads, each as soon as what it needs is there, ``work.jobs`` at a time."""
    results: dict[Key, Result] = {}
    waiting = list(tasks)
    names = {task.key for task in tasks}
    running: dict[Future[Result], Task[Key, Result]] = {}
    with threads(work) as pool:
        while waiting or running:
            for task in [t for t in waiting if all(n in results for n in t.needs if n in names)]:
                waiting.remove(task)
                running[pool.submit(task.run, dict(results))] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            # dicts keep their order: of several errors the first task's is raised, and a cancellation last
            ended = [future for future in running if future in done]
            for future in sorted(ended, key=lambda f: isinstance(f.exception(), CancelledError)):
                results[running.pop(future).key] = future.result()
    return {task.key: results[task.key] for task in tasks}
