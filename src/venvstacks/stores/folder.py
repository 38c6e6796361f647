"""A folder as a store: on this machine, on a mounted disk, or what a web server serves."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from venvstacks.errors import ConflictError, NotInStoreError, StoreError, TooLargeError
from venvstacks.files import TEMPORARY_PREFIX, sha256
from venvstacks.stores.folder_writing import (
    explained,
    hold_folder,
    link_once,
    made_folder,
    sync_folder,
    unfinished,
)
from venvstacks.stores.interface import Blob, Listed, Stored, Traffic
from venvstacks.stores.names import PRIVATE, checked_name, checked_prefix

_PIECE = 1 << 18


class FolderStore:
    """A folder as a store.

    Files are written in a folder of their own, made durable, and then given their names, so that a run that is
    killed leaves each whole or absent.

    Args:
        folder: It need not be there until something is written.
    """

    creates_once = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = str(folder)
        self.traffic = Traffic()

    # ---- reading

    def read(self, name: str, largest: int) -> Stored:
        """Return the whole content of a small file, as :class:`Store` says."""
        path = self._path(name)
        with explained(f"read {path}", absent=NotInStoreError), path.open("rb") as file:
            data = file.read(largest + 1)
        self.traffic.count(requests=1, received=len(data))
        if len(data) > largest:
            raise TooLargeError(f"{path} has more than {largest} bytes, which is more than such a file may have.")
        return Stored(data, sha256(data))

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Return part of a file in pieces, as :class:`Store` says."""
        path = self._path(name)
        self.traffic.count(requests=1)
        with explained(f"read {path}", absent=NotInStoreError), path.open("rb") as file:
            there = os.fstat(file.fileno()).st_size
            end = there if size is None else start + size
            if start > there or end > there:
                raise StoreError(f"{path} ends after {there} of {max(start, end)} bytes.")
            file.seek(start)
            while start < end:
                piece = file.read(min(_PIECE, end - start))
                if not piece:
                    raise StoreError(f"{path} ends after {start} of {end} bytes.")
                start += len(piece)
                self.traffic.count(received=len(piece))
                yield piece

    def size(self, name: str) -> int | None:
        """Return the bytes that a file has, as :class:`Store` says."""
        path = self._path(name)
        self.traffic.count(requests=1)
        try:
            with explained(f"read {path}", absent=NotInStoreError):
                found = path.stat()
        except NotInStoreError:
            return None
        return found.st_size if path.is_file() else None

    def close(self) -> None:
        """Do nothing: there are no connections."""

    # ---- writing

    def create(self, name: str, content: bytes | Path) -> bool:
        """Write a file unless there is one of that name, as :class:`WritableStore` says."""
        path = self._path(name)
        self.traffic.count(requests=1)
        with explained(f"write {path}"):
            if path.is_file():
                return False
            with unfinished(self.folder, content) as temporary:
                written = link_once(temporary, made_folder(path.parent) / path.name, self.folder)
            sync_folder(path.parent)
            return written

    def replace(self, name: str, data: bytes, tag: str | None) -> None:
        """Write a small file in the place of the one with a tag, as :class:`WritableStore` says."""
        path = self._path(name)
        self.traffic.count(requests=1)
        with explained(f"write {path}"), unfinished(self.folder, data) as temporary, hold_folder(self.folder):
            if (sha256(path.read_bytes()) if path.is_file() else None) != tag:
                raise ConflictError(f"Another run has changed {path}.", hint="run the command again")
            made_folder(path.parent)
            if tag is not None:
                temporary.replace(path)
            elif not link_once(temporary, path):  # a run that creates takes no lock
                raise ConflictError(f"Another run has written {path}.", hint="run the command again")
            sync_folder(path.parent)

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        path = self._path(name)
        with explained(f"delete {path}"):
            path.unlink(missing_ok=True)

    def names(self, prefix: str) -> Iterator[Listed]:
        """List the files whose names begin so, as :class:`WritableStore` says."""
        checked_prefix(prefix)
        self.traffic.count(requests=1)
        with explained(f"list {self.folder}"):
            for folder, folders, files in os.walk(
                self.folder / prefix.rpartition("/")[0], onerror=_raise_unless_absent
            ):
                folders[:] = [part for part in folders if not part.startswith((PRIVATE, TEMPORARY_PREFIX))]
                for file in files:
                    path = Path(folder, file)
                    name = path.relative_to(self.folder).as_posix()
                    if name.startswith(prefix) and not file.startswith(TEMPORARY_PREFIX):
                        try:
                            found = path.stat()
                        except FileNotFoundError:
                            continue  # deleted meanwhile
                        yield Listed(name, found.st_size, found.st_mtime)

    def keep_together(self, release: str, platforms: Mapping[str, Sequence[Blob]]) -> None:
        """Do nothing: a folder keeps what is in it."""

    def forget_together(self, release: str) -> None:
        """Do nothing, as :meth:`keep_together`."""

    def _path(self, name: str) -> Path:
        return self.folder / checked_name(name, windows=sys.platform == "win32")


def _raise_unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
