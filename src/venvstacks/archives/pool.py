"""Threads that frames of several archives share, and a bound on what they hold in memory."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from venvstacks.work import Work, threads

_AHEAD = 2

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def frame_pool(work: Work) -> Iterator["FramePool"]:
    """Start threads for frames, and wait for their end; see :func:`~venvstacks.work.threads`."""
    with threads(work) as executor:
        yield FramePool(work, executor)


class FramePool:
    """Threads for frames; see :func:`frame_pool`."""

    def __init__(self, work: Work, executor: ThreadPoolExecutor) -> None:
        self._work = work
        self._threads = executor
        # Enough for every thread to have its next piece of work while the oldest is waited for.
        self._slots = threading.BoundedSemaphore(2 * max(1, work.jobs) + 1)

    def check(self) -> None:
        """Raise :class:`~venvstacks.processes.CancelledError` if the work was cancelled."""
        self._work.cancellation.check()

    def submit(self, run: Callable[[], Result]) -> Future[Result]:
        """Let one of the threads do something, unless the work is cancelled before."""

        def checked() -> Result:
            self.check()
            return run()

        return self._threads.submit(checked)

    def run_all(self, tasks: Iterable[Callable[[], None]]) -> None:
        """Do several things, in any order; when one of them fails, those that are not begun are left."""
        begun = [self.submit(task) for task in tasks]
        try:
            wait(begun, return_when=FIRST_EXCEPTION)
            for future in begun:
                if future.done():
                    future.result()
        finally:
            for future in begun:
                future.cancel()
            wait(begun)

    def ahead(self, items: Sequence[Item], run: Callable[[Item], Result]) -> Iterator[tuple[Item, Result | None]]:
        """Go through items of which idle threads handle the next ones meanwhile."""
        begun: deque[Future[Result]] = deque()
        try:
            for position, item in enumerate(items):
                self.check()
                own = begun.popleft() if begun else None
                missing = items[position + 1 + len(begun) : position + 1 + _AHEAD]
                begun.extend(self.submit(partial(run, later)) for later in missing)
                yield item, None if own is None or own.cancel() else own.result()
        finally:
            for future in begun:
                future.cancel()

    def in_order(self, items: Iterable[Item], run: Callable[[Item], Result]) -> Iterator[Result]:
        """Do something with each of many items, and return the results in their order.

        Only a few items are begun and not yet returned, whatever number of callers there are. A caller never
        waits for the others while something of its own is under way.
        """
        begun: deque[Future[Result]] = deque()
        try:
            for item in items:
                while not self._slots.acquire(blocking=not begun):
                    yield self._oldest(begun)
                begun.append(self.submit(partial(run, item)))
            while begun:
                yield self._oldest(begun)
        finally:
            for future in begun:
                future.cancel()
            wait(begun)
            for _ in begun:
                self._slots.release()

    def _oldest(self, begun: deque[Future[Result]]) -> Result:
        try:
            return begun[0].result()
        finally:
            begun.popleft()
            self._slots.release()
