"""What is fetched, in a folder of its own: it stays when a run is killed, and the next one goes on with it.

Nothing in there is believed before its hash was compared, so none of it has to reach the disk.
"""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from venvstacks import files
from venvstacks.archives.archive_reader import FileSource
from venvstacks.archives.index import Frame
from venvstacks.archives.pool import FramePool
from venvstacks.deploying.fetch_plan import FrameGroup, group_frames
from venvstacks.errors import ArchiveError, StoreError
from venvstacks.releases.release_format import BlobReference, DeltaReference
from venvstacks.stores.interface import Store, blob_name

_BLOCK = 1 << 20
_STREAMS = 4  # of one archive, at once
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class DamagedBlobError(StoreError):
    """A blob that a store has, and that is not what its name says."""


def fetch_blob(
    store: Store, blob: BlobReference | DeltaReference, folder: Path, check: Callable[[], None]
) -> Path:
    """Fetch a whole blob, or what is missing of it, into a folder, under its hash.

    Raises:
        DamagedBlobError: It is not what its hash says; what was fetched is removed.
        StoreError: It cannot be fetched; what has arrived stays.
    """
    path = folder / blob.sha256
    with _open(path) as file:
        digest, have = hashlib.sha256(), 0
        while have < blob.size and (piece := file.read(min(_BLOCK, blob.size - have))):
            digest.update(piece)
            have += len(piece)
        resumed = have
        for piece in _stream(store, blob.sha256, have, blob.size - have):
            check()
            _write(file, piece)
            digest.update(piece)
        file.truncate(blob.size)
    if digest.hexdigest() == blob.sha256:
        return path
    path.unlink()
    if resumed:  # what an earlier run left was damaged, or is of no use for another reason
        return fetch_blob(store, blob, folder, check)
    raise DamagedBlobError(f"{store.address} has a damaged {blob_name(blob.sha256)}: it has another hash.")


def _stream(store: Store, sha256: str, start: int, size: int) -> Iterator[bytes]:
    """Return a part of a blob, no more and no less."""
    left = size
    for piece in store.stream(blob_name(sha256), start, size) if size else ():
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise StoreError(f"{store.address} does not return what was asked of it: {blob_name(sha256)} in part.")


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, _OPEN, 0o644), "r+b", buffering=0) as file:
        yield file


class PartialArchive:
    """An archive of which frames arrive in a file, in any order, and are read from it; any thread may use it.

    Who reads a frame that has not arrived waits for it. The file may have holes; frames that it holds from an
    earlier run, right to the last byte, are not fetched again.
    """

    def __init__(self, path: Path, reading: BinaryIO, sha256: str, frames: Sequence[Frame]) -> None:
        self._path = path
        self._reading = reading
        self._source = FileSource(reading)
        self._sha256 = sha256
        self._frames = frames
        self._numbers = {frame.offset: number for number, frame in enumerate(frames)}
        self._there: set[int] = set()
        self._end: BaseException | None = None
        self._news = threading.Condition()

    def recover(self, numbers: Iterable[int], pool: FramePool) -> None:
        """Find out which frames are there from an earlier run."""
        size = os.fstat(self._reading.fileno()).st_size
        candidates = [number for number in numbers if self._ends(number) <= size] if size else []

        def look(number: int) -> tuple[int, bool]:
            frame = self._frames[number]
            return number, files.sha256(self._source.read(frame.offset, frame.size)) == frame.sha256

        for number, right in pool.in_order(candidates, look):
            if right:
                self._there.add(number)

    def _ends(self, number: int) -> int:
        return self._frames[number].offset + self._frames[number].size

    def fetch(
        self,
        store: Store,
        groups: Iterable[FrameGroup],
        wanted: Collection[int],
        arrived: Callable[[int | None], None],
    ) -> None:
        """Fetch groups of frames, without those that are there; each is told of when it has arrived.

        ``arrived`` may be called by several threads at once; now and then, it is told of None.
        """
        parts: list[FrameGroup] = []
        for group in groups:
            for number in group.numbers:
                if number in self._there and number in wanted:
                    arrived(number)
            missing = [number for number in group.numbers if number in wanted and number not in self._there]
            parts += group_frames(self._frames, missing)
        if len(parts) == 1:
            self._fetch(store, parts[0], arrived)
        elif parts:
            self._fetch_all(store, parts, arrived)

    def _fetch_all(self, store: Store, parts: Sequence[FrameGroup], arrived: Callable[[int | None], None]) -> None:
        """Fetch several groups at once: what takes time is mostly to wait for answers."""
        with ThreadPoolExecutor(min(_STREAMS, len(parts))) as threads:
            running = [threads.submit(self._fetch, store, part, arrived) for part in parts]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
                for future in running:
                    if future.done():
                        future.result()
            except BaseException as error:
                self.stop(error)
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _fetch(self, store: Store, group: FrameGroup, arrived: Callable[[int | None], None]) -> None:
        coming = deque(group.numbers)
        place = group.start
        with self._path.open("r+b", buffering=0) as file:
            file.seek(place)
            for piece in _stream(store, self._sha256, group.start, group.size):
                if self._end is not None:
                    raise self._end
                arrived(None)
                _write(file, piece)
                place += len(piece)
                while coming and self._ends(coming[0]) <= place:
                    self._tell(coming[0])
                    arrived(coming.popleft())

    def _tell(self, number: int) -> None:
        with self._news:
            self._there.add(number)
            self._news.notify_all()

    def stop(self, error: BaseException) -> None:
        """Let all who wait for frames know that these do not come."""
        with self._news:
            self._end = self._end or error
            self._news.notify_all()

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes of a frame, when they have arrived."""
        number = self._numbers[offset]
        with self._news:
            while number not in self._there:
                if self._end is not None:
                    raise self._end
                self._news.wait()
        return self._source.read(offset, size)


@contextmanager
def open_partial(folder: Path, sha256: str, frames: Sequence[Frame]) -> Iterator[PartialArchive]:
    """Open what is there of an archive in a folder, under its hash; who waits for frames at the end fails."""
    path = folder / sha256
    with _open(path), path.open("rb") as reading:
        archive = PartialArchive(path, reading, sha256, frames)
        try:
            yield archive
        finally:
            archive.stop(ArchiveError("Nothing more of the archive is fetched."))


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
