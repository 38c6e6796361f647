"""What happens while work is done: small frozen events, and an observer that defaults to silence."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_INTERVAL = 4 << 20  # bytes between two reports of progress


class Step(StrEnum):
    """The kinds of work that are reported."""

    LOCK = "lock"
    BUILD = "build"
    PUBLISH = "publish"
    EXPORT = "export"
    UNPACK = "unpack"
    PATCH = "patch"
    PUSH = "push"
    DEPLOY = "deploy"
    VERIFY = "verify"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class Planned:
    """How many layers a step is going to handle.

    Attributes:
        step: The kind of work.
        layers: Build names, in the order of the stack, once for each platform.
    """

    step: Step
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """Work on one layer has begun.

    Attributes:
        step: The kind of work.
        layer: Build name.
        platform: Target name; empty where the work is for all targets at once.
    """

    step: Step
    layer: str
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Progressed:
    """Part of a layer's work is done.

    Attributes:
        done: Bytes handled so far.
        total: Bytes to handle.
        platform: As in :class:`Started`.
    """

    step: Step
    layer: str
    done: int
    total: int
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """Work on one layer has ended well.

    Attributes:
        changed: False when there was nothing to do.
        summary: A few words for people, for example ``12 packages``.
        seconds: Wall-clock time of this layer's work.
        platform: As in :class:`Started`.
    """

    step: Step
    layer: str
    changed: bool
    summary: str
    seconds: float
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know, though the work goes on.

    Attributes:
        message: One message, complete in itself.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another run holds a folder (of builds, outputs, or a deployment); this one waits for it.

    Attributes:
        folder: The folder that is in use.
    """

    folder: str


Event = Planned | Started | Progressed | Finished | Warned | Waiting
Observer = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore an event: the default observer."""
    del event


class Meter:
    """Counts the bytes of one layer, and reports now and then; any thread may use it."""

    def __init__(self, observe: Observer, step: Step, layer: str, total: int, platform: str = "") -> None:
        self._observe = observe
        self._step = step
        self._layer = layer
        self._total = total
        self._platform = platform
        self._done = 0
        self._reported = 0
        self._guard = threading.Lock()

    def add(self, count: int) -> None:
        """Count some bytes."""
        with self._guard:
            self._done += count
            due = self._done - self._reported >= _INTERVAL or self._reported < self._total <= self._done
            if due:
                self._reported = self._done
                self._observe(Progressed(self._step, self._layer, self._done, self._total, self._platform))
