"""How work is carried out: observed, in parallel, and able to be cancelled."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from types import FrameType
from typing import Generic, TypeVar

from venvstacks.errors import VenvstacksError
from venvstacks.events import Observer, silent
from venvstacks.processes import Cancellation, CancelledError

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_AHEAD = 2  # tasks handed out for each thread, so that none waits for its next one


def default_jobs() -> int:
    """Return the number of processors this process may use."""
    count = getattr(os, "process_cpu_count", None)
    if count is not None:
        return count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Work:
    """What every step needs beside its plan.

    ``observe`` is called from any thread; ``jobs`` is how many layers are handled at once.
    """

    observe: Observer = silent
    jobs: int = field(default_factory=default_jobs)
    cancellation: Cancellation = field(default_factory=Cancellation)


@dataclass(frozen=True)
class Task(Generic[Key, Result]):
    """A piece of work that may need the results of others.

    Attributes:
        name: What it does, for stack traces and lists of threads: ``publish app-x for linux_x86_64``.
        key: What identifies it among the tasks.
        needs: Keys of the tasks whose results it needs; those that are not among the tasks are ignored.
        run: Does the work, given the results of the tasks that it needs.
    """

    name: str
    key: Key
    needs: tuple[Key, ...]
    run: Callable[[Mapping[Key, Result]], Result]

    def __call__(self, done: Mapping[Key, Result]) -> Result:
        """Run under the task's name: the thread bears it meanwhile, and an unexpected error gets a note of it."""
        thread = threading.current_thread()
        before, thread.name = thread.name, self.name
        try:
            return self.run(done)
        except Exception as error:
            if not isinstance(error, VenvstacksError):  # the message of such an error says all of it
                error.add_note(f"in the task: {self.name}")
            raise
        finally:
            thread.name = before


@contextmanager
def signals_cancel(cancellation: Cancellation) -> Iterator[None]:
    """Let signals whose handlers raise cancel the work; what they raise is raised when it has ended.

    A handler that raises, as that of Ctrl-C does, raises wherever the main thread happens to be. Where that is the
    middle of the library's handling of a lock, the lock is never released, and all wait forever for each other.
    Handlers that are not written in Python, and other threads than the main one, are not concerned.
    """
    raised: list[BaseException] = []

    def receive(number: int, frame: FrameType | None) -> None:
        try:
            handlers[number](number, frame)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised later
            raised.append(error)
            cancellation.cancel()

    handlers = _handlers() if threading.current_thread() is threading.main_thread() else {}
    try:
        for number in handlers:
            signal.signal(number, receive)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if raised:
            raise raised[0]


def _handlers() -> dict[int, Callable[[int, FrameType | None], object]]:
    numbers = (getattr(signal, name) for name in _SIGNALS if hasattr(signal, name))
    found = {number: signal.getsignal(number) for number in numbers}
    return {number: handler for number, handler in found.items() if callable(handler)}


@contextmanager
def threads(work: Work) -> Iterator[ThreadPoolExecutor]:
    """Start threads, and wait for their end; meanwhile, signals cancel the work, and so does an error."""
    with signals_cancel(work.cancellation), ThreadPoolExecutor(max(1, work.jobs)) as pool:
        try:
            yield pool
        except BaseException:
            work.cancellation.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_tasks(tasks: Sequence[Task[Key, Result]], work: Work) -> dict[Key, Result]:
    """Run tasks in threads, each as soon as what it needs is there, ``work.jobs`` at a time."""
    by_key = {task.key: task for task in tasks}
    needs = {task.key: [key for key in task.needs if key in by_key] for task in tasks}
    order = TopologicalSorter(dict.fromkeys(by_key, ()))  # of several that are ready, the first goes first
    for task in tasks:
        order.add(task.key, *needs[task.key])
    order.prepare()
    ready: deque[Key] = deque()
    running: dict[Future[Result], Key] = {}
    results: dict[Key, Result] = {}
    with threads(work) as pool:
        while order.is_active():
            ready.extend(order.get_ready())
            while ready and len(running) < _AHEAD * max(1, work.jobs):
                key = ready.popleft()
                running[pool.submit(by_key[key], {need: results[need] for need in needs[key]})] = key
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            # dicts keep their order: of several errors the first task's is raised, and a cancellation last
            ended = [future for future in running if future in done]
            for future in sorted(ended, key=lambda f: isinstance(f.exception(), CancelledError)):
                key = running.pop(future)
                results[key] = future.result()
                order.done(key)
    return {task.key: results[task.key] for task in tasks}
