"""Threads that frames of several archives share, and a bound on what they hold in memory."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

from venvstacks.work import Work

Item = TypeVar("Item")
Result = TypeVar("Result")


class FramePool:
    """Threads for frames; as a context manager, it ends them.

    Args:
        work: The number of threads, and the way to call them off.
    """

    def __init__(self, work: Work) -> None:
        self._jobs = max(1, work.jobs)
        self._work = work
        self._threads = ThreadPoolExecutor(self._jobs, thread_name_prefix="frames")
        # Enough for every thread to have its next piece of work while the oldest is waited for.
        self._slots = threading.BoundedSemaphore(2 * self._jobs + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._work.cancellation.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def check(self) -> None:
        """Raise :class:`~venvstacks.processes.CancelledError` if the work was called off."""
        self._work.cancellation.check()

    def submit(self, run: Callable[[], Result]) -> Future[Result]:
        """Have something done by one of the threads.

        Args:
            run: Does it. It must not wait for what was submitted later.
        """

        def checked() -> Result:
            self.check()
            return run()

        return self._threads.submit(checked)

    def in_order(self, items: Iterable[Item], run: Callable[[Item], Result]) -> Iterator[Result]:
        """Do something with each of many items, and give the results in their order.

        Only a few items are begun and not yet given, whatever number of callers there are. A caller never
        waits for the others while something of its own is under way.

        Args:
            items: The items.
            run: Handles one of them.
        """
        begun: deque[Future[Result]] = deque()
        try:
            for item in items:
                while not self._slots.acquire(blocking=not begun):
                    yield self._oldest(begun)
                begun.append(self.submit(lambda item=item: run(item)))  # type: ignore[misc] # mypy cannot infer this
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
