"""What a store is: files under names, read whole or in part, and written so that no run destroys another's work.

Names are POSIX paths relative to the store. Those of blobs contain their hash and never change; all others may.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BLOBS = "blobs/sha256"
"""The folder of archives, indexes and deltas."""

METADATA = "metadata"
"""The folder of TUF metadata."""

TARGETS = "targets"
"""The folder of the files that TUF metadata describe."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that is named by its content.

    Attributes:
        sha256: Hash of the content, 64 hexadecimal digits.
        size: In bytes.
    """

    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Its name in a store."""
        return blob_name(self.sha256)


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of a file of a store.

    Attributes:
        data: The content.
        tag: Changes with the content (an ETag); what :meth:`WritableStore.replace` expects.
    """

    data: bytes
    tag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A file in the listing of a store.

    Attributes:
        name: POSIX path relative to the store.
        size: In bytes.
        modified: When it was written, seconds since 1970.
    """

    name: str
    size: int
    modified: float


class Traffic:
    """Counts the requests to a store, and the bytes of contents that it answered; any thread may use it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.requests = 0
        self.received = 0

    def count(self, *, requests: int = 0, received: int = 0) -> None:
        """Count requests that were sent, and bytes that arrived."""
        with self._guard:
            self.requests += requests
            self.received += received


class Store(Protocol):
    """A store that can be read; any thread may use it.

    Attributes:
        address: Where it is, as people named it, without credentials.
        traffic: What was asked of it so far.
    """

    address: str
    traffic: Traffic

    def read(self, name: str, largest: int) -> Stored:
        """Return the whole content of a small file.

        Raises:
            NotInStoreError: There is no such file.
            TooLargeError: It has more than ``largest`` bytes.
            StoreError: It cannot be read.
        """
        ...

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Return the content of a file from ``start`` on, ``size`` bytes of it or all, in pieces of any size.

        Exactly what was asked for is returned. A connection that breaks is made again where it broke, as long as
        something arrives; the caller verifies what it gets.

        Raises:
            NotInStoreError: There is no such file.
            StoreError: It cannot be read, or ends too early.
        """
        ...

    def size(self, name: str) -> int | None:
        """Return the bytes that a file has; None if there is no such file.

        Raises:
            StoreError: The store does not answer.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class WritableStore(Store, Protocol):
    """A store that can be written to as well.

    Attributes:
        creates_once: Whether of two runs that create one name at once, surely one is told so.
    """

    creates_once: bool

    def create(self, name: str, content: bytes | Path) -> bool:
        """Write a file unless there is one of that name; it appears whole or not at all.

        Returns:
            Whether it was written.

        Raises:
            StoreError: It cannot be written.
        """
        ...

    def replace(self, name: str, data: bytes, tag: str | None) -> None:
        """Write a small file in the place of the one with a tag; with None, where there is none.

        Raises:
            ConflictError: What is there has another tag, as far as the store can tell.
            StoreError: It cannot be written.
        """
        ...

    def names(self, prefix: str) -> Iterator[Listed]:
        """List the files whose names begin so; a folder's with a slash at its end. In any order.

        Raises:
            StoreError: The store does not answer.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        Raises:
            StoreError: It cannot be deleted.
        """
        ...

    def keep_together(self, release: str, platforms: Mapping[str, Sequence[Blob]]) -> None:
        """Let a store that removes what nothing refers to, as registries do, know the blobs of a release.

        Args:
            release: The version of the release.
            platforms: Target name -> blobs, all of which were created before.

        Raises:
            StoreError: That cannot be written.
        """
        ...

    def forget_together(self, release: str) -> None:
        """Undo :meth:`keep_together`; the blobs themselves are deleted one by one.

        Raises:
            StoreError: That cannot be written.
        """
        ...


def blob_name(sha256: str) -> str:
    """Return the name of a blob in a store."""
    return f"{BLOBS}/{sha256[:2]}/{sha256}"


def blob_hash(name: str) -> str | None:
    """Return the hash in the name of a blob; None for other names."""
    folder, _, digits = name.rpartition("/")
    return digits if len(digits) == 64 and name == blob_name(digits) and folder else None  # noqa: PLR2004 - SHA-256
