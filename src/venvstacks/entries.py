"""What a folder holds: its entries, sorted, with all that an archive or an export keeps of them."""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

BYTECODE_FOLDER = "__pycache__"

FOLDER_MODE = 0o755
LINK_MODE = 0o777


class EntryKind(StrEnum):
    """The kinds of entries a layer may hold."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"


class Entry(msgspec.Struct, frozen=True, gc=False, rename={"type": "kind", "target": "link_target"}):
    """A file, folder or symbolic link of a folder, as states of builds record it.

    What an archive holds of it has the same names, and is an :class:`~venvstacks.archives.index.IndexEntry`.

    Attributes:
        path: POSIX path relative to the scanned folder.
        size: Bytes of a file's content; 0 for the others.
        executable: Whether a file's owner may execute it.
        target: Where a symbolic link points, as written in it; empty for the others.
        changed_ns: Modification time of a file in nanoseconds since 1970; no part of an archive, but shows edits.
    """

    path: str
    type: EntryKind
    size: int = 0
    executable: bool = False
    target: str = ""
    changed_ns: int = 0

    @property
    def mode(self) -> int:
        """Permission bits, whatever the umask of the build was."""
        if self.type is EntryKind.FILE:
            return 0o755 if self.executable else 0o644
        return FOLDER_MODE if self.type is EntryKind.FOLDER else LINK_MODE


def scan(folder: Path, *, bytecode: Collection[str] = frozenset()) -> tuple[Entry, ...]:
    """List a folder, without following links, leaving out bytecode that Python writes by itself."""
    return tuple(sorted(_scan(os.fspath(folder), bytecode), key=lambda entry: entry.path))


def is_bytecode(path: str) -> bool:
    """Return whether an entry's path is in a bytecode folder."""
    return path.split("/")[-2:-1] == [BYTECODE_FOLDER]


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


_AnySized = TypeVar("_AnySized", bound=_Sized)


def batches(entries: Sequence[_AnySized], most: int, size: int) -> Iterator[Sequence[_AnySized]]:
    """Divide entries into parts of about the same work: each ends with so many entries or bytes."""
    first, total = 0, 0
    for position, entry in enumerate(entries):
        if position - first >= most or total >= size:
            yield entries[first:position]
            first, total = position, 0
        total += entry.size
    if first < len(entries):
        yield entries[first:]


def _scan(top: str, bytecode: Collection[str]) -> Iterator[Entry]:
    waiting = [(top, "")]
    while waiting:
        folder, prefix = waiting.pop()
        with os.scandir(folder) as found:
            items = list(found)
        for item in items:
            path = prefix + item.name
            info = item.stat(follow_symlinks=False)
            if stat.S_ISREG(info.st_mode):
                yield _file(path, info)
            elif stat.S_ISLNK(info.st_mode):
                target = os.readlink(item.path).replace(os.sep, "/")  # noqa: PTH115 - a Path an entry is slow
                yield Entry(path, EntryKind.SYMLINK, target=target)
            elif not stat.S_ISDIR(info.st_mode):
                raise ValueError(f"{item.path} is neither a file, a folder nor a symbolic link")
            elif item.name != BYTECODE_FOLDER:
                yield Entry(path, EntryKind.FOLDER)
                waiting.append((item.path, f"{path}/"))
            elif bytecode:
                yield from _scan_bytecode(item.path, path, bytecode)


def _scan_bytecode(folder: str, path: str, bytecode: Collection[str]) -> Iterator[Entry]:
    """List a bytecode folder with what is wanted of it, if anything is."""
    with os.scandir(folder) as found:
        wanted = [item for item in found if f"{path}/{item.name}" in bytecode]
    files = [(item.name, item.stat(follow_symlinks=False)) for item in wanted]
    entries = [_file(f"{path}/{name}", info) for name, info in files if stat.S_ISREG(info.st_mode)]
    if entries:
        yield Entry(path, EntryKind.FOLDER)
        yield from entries


def _file(path: str, info: os.stat_result) -> Entry:
    executable = bool(info.st_mode & stat.S_IXUSR)
    return Entry(path, EntryKind.FILE, info.st_size, executable, changed_ns=info.st_mtime_ns)
