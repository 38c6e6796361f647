"""A store in memory, which counts what is asked of it, and may ignore conditions as some servers do."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from venvstacks import files
from venvstacks.errors import ConflictError, NotInStoreError, StoreError, TooLargeError
from venvstacks.stores.interface import Blob, Listed, Stored, Traffic


class MemoryStore:
    """A writable store in memory.

    Attributes:
        contents: Name -> content; tests may change it.
        written: Names that were written or deleted, in order.
        before_write: Called with a name before it is written or deleted.
        asked: Names that were read, in order.
    """

    def __init__(self, *, conditions: bool = True, address: str = "memory:store") -> None:
        self.address = address
        self.traffic = Traffic()
        self.creates_once = conditions
        self.contents: dict[str, bytes] = {}
        self.modified: dict[str, float] = {}
        self.written: list[str] = []
        self.asked: list[str] = []
        self.before_write: Callable[[str], object] = str  # does nothing
        self.together: dict[str, dict[str, tuple[Blob, ...]]] = {}
        self._guard = threading.Lock()

    def read(self, name: str, largest: int) -> Stored:
        self.asked.append(name)
        data = self._get(name)
        if len(data) > largest:
            raise TooLargeError(f"{name} in {self.address} has more than {largest} bytes.")
        self.traffic.count(received=len(data))
        return Stored(data, files.sha256(data))

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        self.asked.append(name)
        data = self._get(name)
        end = len(data) if size is None else start + size
        if end > len(data):
            raise StoreError(f"{name} in {self.address} ends too early.")
        self.traffic.count(received=end - start)
        yield data[start:end]

    def size(self, name: str) -> int | None:
        self.traffic.count(requests=1)
        return len(self.contents[name]) if name in self.contents else None

    def close(self) -> None:
        pass

    def create(self, name: str, content: bytes | Path) -> bool:
        self.before_write(name)
        data = content if isinstance(content, bytes) else content.read_bytes()
        with self._guard:
            if self.creates_once and name in self.contents:
                return False
            self._put(name, data)
        return True

    def replace(self, name: str, data: bytes, tag: str | None) -> None:
        self.before_write(name)
        with self._guard:
            there = self.contents.get(name)
            if self.creates_once and (None if there is None else files.sha256(there)) != tag:
                raise ConflictError(f"{name} in {self.address} has changed.")
            self._put(name, data)

    def names(self, prefix: str) -> Iterator[Listed]:
        self.traffic.count(requests=1)
        with self._guard:
            found = [
                Listed(name, len(data), self.modified.get(name, 0.0))
                for name, data in self.contents.items()
                if name.startswith(prefix)
            ]
        yield from found

    def delete(self, name: str) -> None:
        self.before_write(name)
        with self._guard:
            self.written.append(name)
            self.contents.pop(name, None)

    def keep_together(self, release: str, platforms: Mapping[str, Sequence[Blob]]) -> None:
        self.together[release] = {name: tuple(blobs) for name, blobs in platforms.items()}

    def forget_together(self, release: str) -> None:
        self.together.pop(release, None)

    def _get(self, name: str) -> bytes:
        self.traffic.count(requests=1)
        try:
            return self.contents[name]
        except KeyError:
            raise NotInStoreError(f"{self.address} has no {name}.") from None

    def _put(self, name: str, data: bytes) -> None:
        self.traffic.count(requests=1)
        self.written.append(name)
        self.contents[name] = data
        self.modified[name] = time.time()
