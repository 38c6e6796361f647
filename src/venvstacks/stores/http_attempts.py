"""How long a client waits, and how often it tries."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from venvstacks.errors import StoreError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client goes on.

    Attributes:
        stall: Seconds without a byte after which a connection is given up.
        slowest: Bytes a second, over the same time, below which it is given up as well.
        attempts: Requests in a row that may fail, without anything arriving.
        pause: Seconds before the second attempt; twice as many before each further one.
        longest: Seconds that are waited at most, also if the server asks for more.
    """

    stall: float = 30.0
    slowest: int = 300
    attempts: int = 5
    pause: float = 0.25
    longest: float = 60.0


class Attempts:
    """Counts attempts that failed in a row, and waits between them."""

    def __init__(self, patience: Patience, wait: Callable[[float], None]) -> None:
        self._patience = patience
        self._wait = wait
        self._failed = 0

    def succeeded(self) -> None:
        """Start counting again: something has arrived."""
        self._failed = 0

    def failed(self, error: StoreError, asked: float | None = None) -> None:
        """Wait before the next attempt; if there is to be none, raise the error.

        Args:
            error: Why the last one failed.
            asked: Seconds that the server asks to wait.
        """
        self._failed += 1
        limits = self._patience
        if self._failed >= limits.attempts or (asked or 0) > limits.longest:
            raise error
        pause = limits.pause * 2 ** (self._failed - 1) * random.uniform(0.5, 1)  # noqa: S311 - not a secret
        self._wait(min(max(pause, asked or 0), limits.longest))
