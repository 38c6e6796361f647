"""What all ways to get a layer work with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from venvstacks.archives.pool import FramePool
from venvstacks.stores.interface import Store


@dataclass(frozen=True, slots=True)
class Fetching:
    """What all ways to get a layer work with.

    Attributes:
        store: Where it comes from.
        downloads: The folder of what has been fetched in part.
        pool: Threads.
        warn: Takes messages.
    """

    store: Store
    downloads: Path
    pool: FramePool
    warn: Callable[[str], None]
