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


def _handlers() -> dict[int, Handler]:
    numbers = (getattr(signal, name) for name in _NAMES if hasattr(signal, name))
    found = {number: signal.getsignal(number) for number in numbers}
    return {number: handler for number, handler in found.items() if callable(handler)}
