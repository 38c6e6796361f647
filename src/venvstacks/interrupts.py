"""Signals while several threads are at work."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from venvstacks.processes import Cancellation

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def signals_cancel(cancellation: Cancellation) -> Iterator[None]:
    """Have signals call work off, and do what else they do only after it has ended.

    A handler that raises, as that of Ctrl-C does, raises wherever the main thread happens to be. Where that is the
    middle of the library's handling of a lock, the lock is never released, and all wait forever for each other.
    Handlers that are not written in Python, and other threads than the main one, are not concerned.

    Args:
        cancellation: What the signals call off.

    Raises:
        BaseException: What the handler of the first signal raises, if any came; it replaces every other error.
    """
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        received.append(number)
        cancellation.cancel()

    handlers = _handlers() if threading.current_thread() is threading.main_thread() else {}
    try:
        for number in handlers:
            signal.signal(number, receive)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            handlers[received[0]](received[0], None)


def _handlers() -> dict[int, Handler]:
    numbers = (getattr(signal, name) for name in _NAMES if hasattr(signal, name))
    found = {number: signal.getsignal(number) for number in numbers}
    return {number: handler for number, handler in found.items() if callable(handler)}
