"""The moments of a run, counted, and a kill at one of them.

Scripts that are killed at every moment use it in processes of their own: they name what makes moments, then begin,
and print at their end how many there were.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from venvstacks.events import Event

EVERY_MOMENT = "VENVSTACKS_TEST_EVERY_MOMENT"
"""The environment variable with which runs are killed at every moment, as ``python3 dev.py test-kills`` does."""

_STEP = 3


def chosen_moments(count: int) -> Sequence[int]:
    """Return at which moments a run is killed: at every third one and the last, unless all are wanted."""
    return range(1, count + 1) if os.environ.get(EVERY_MOMENT) else [*range(1, count, _STEP), count]


@dataclass
class _Run:
    moments: int = 0
    last: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)


_RUN = _Run()


def moment() -> None:
    """Count, and end everything when it is time; any thread may call it."""
    with _RUN.guard:
        _RUN.moments += 1
        if _RUN.moments == _RUN.last:
            os.kill(os.getpid(), signal.SIGKILL)


def moments() -> int:
    """Return how many moments there were."""
    return _RUN.moments


def kill_at(last: int) -> None:
    """Let the process end at the moment with this number (0: none)."""
    _RUN.last = last


def observe(_: Event) -> None:
    """Make a moment of an event."""
    moment()


def watch(owner: Any, *names: str) -> None:
    """Make moments of the beginnings and the ends of functions of a class or module."""
    for name in names:
        setattr(owner, name, _watched(getattr(owner, name)))


def _watched(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        moment()
        result = function(*args, **kwargs)
        moment()
        return result

    return wrapper
