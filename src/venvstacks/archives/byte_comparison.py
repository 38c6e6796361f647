"""Where two archives, or two folders of them, differ: which entry, and which bytes."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from venvstacks.archives.archive_reader import ArchiveReader, open_archive
from venvstacks.archives.index import IndexEntry
from venvstacks.entries import EntryKind
from venvstacks.manifests.manifest_format import INDEX_SUFFIX, index_beside

_SHOWN = 16  # bytes on each side
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ByteDifference:
    """A place in which two things differ.

    Attributes:
        where: What differs, for example ``app.tar.zst: the content of 'lib/a.py'``.
        offset: Of the first byte that differs; None if it is not of bytes.
        one: The first bytes there, or the value.
        two: The same of the other; None where there is nothing.
    """

    where: str
    offset: int | None
    one: bytes | str | None
    two: bytes | str | None

    def __str__(self) -> str:
        place = "" if self.offset is None else f" from byte {self.offset}"
        return f"{self.where}{place}: {_text(self.one)} | {_text(self.two)}"


def _text(value: bytes | str | None) -> str:
    if value is None:
        return "nothing"
    return repr(value) if isinstance(value, str) else value.hex(" ") or "the end"


def compare_folders(one: Path, two: Path) -> Iterator[ByteDifference]:
    """Find where two folders with archives and manifests differ.

    Archives that have indexes are compared entry by entry. Indexes of archives that differ are not looked at:
    they cannot be equal.
    """
    names = {p.relative_to(root).as_posix() for root in (one, two) for p in root.rglob("*") if p.is_file()}
    differing = set()
    for name in sorted(names):  # each archive before its index
        left, right = one / name, two / name
        if not (left.is_file() and right.is_file()):
            yield ByteDifference(name, None, *("a file" if each.is_file() else None for each in (left, right)))
        elif not (name.endswith(INDEX_SUFFIX) and name.removesuffix(INDEX_SUFFIX) in differing):
            for difference in compare_archives(left, right, name):
                differing.add(name)
                yield difference


def compare_archives(one: Path, two: Path, name: str = "") -> Iterator[ByteDifference]:
    """Find where two archives differ: in entries, or else in bytes."""
    name = name or one.name
    bytewise = list(compare_files(one, two, name))
    if not bytewise or not all(index_beside(each).is_file() for each in (one, two)):
        yield from bytewise
        return
    with ExitStack() as stack:
        left, right = (stack.enter_context(open_archive(each)) for each in (one, two))
        found = False
        for difference in _entries(left, right, name):
            found = True
            yield difference
        if not found:
            yield from _frames(left, right, name, bytewise[0])


def _entries(one: ArchiveReader, two: ArchiveReader, name: str) -> Iterator[ByteDifference]:
    for fact in ("install_target", "mtime", "codec"):
        left, right = (str(getattr(reader.index, fact)) for reader in (one, two))
        if left != right:
            yield ByteDifference(f"{name}: its {fact}", None, left, right)
    lefts, rights = ({entry.path: entry for entry in reader.index.entries} for reader in (one, two))
    for path in sorted(lefts.keys() | rights.keys()):
        left_entry, right_entry = lefts.get(path), rights.get(path)
        if left_entry is None or right_entry is None:
            kinds = (None if each is None else each.type.value for each in (left_entry, right_entry))
            yield ByteDifference(f"{name}: {path!r}", None, *kinds)
        else:
            yield from _entry(one, left_entry, two, right_entry, name)


def _entry(
    one: ArchiveReader, left: IndexEntry, two: ArchiveReader, right: IndexEntry, name: str
) -> Iterator[ByteDifference]:
    for fact in ("type", "mode", "target"):
        values = (getattr(left, fact), getattr(right, fact))
        if values[0] != values[1]:
            texts = (f"{value:o}" if fact == "mode" else str(value) for value in values)
            yield ByteDifference(f"{name}: the {fact} of {left.path!r}", None, *texts)
    if left.type is right.type is EntryKind.FILE and left.sha256 != right.sha256:
        where = f"{name}: the content of {left.path!r}"
        yield from _first(one.content(left), two.content(right), where)


def _frames(one: ArchiveReader, two: ArchiveReader, name: str, whole: ByteDifference) -> Iterator[ByteDifference]:
    """Return in which frame archives differ that hold the same."""
    place = whole.offset or 0
    for reader in (one, two):
        for number, frame in enumerate(reader.index.frames):
            if frame.offset <= place < frame.offset + frame.size:
                where = f"{name}: the same content, compressed otherwise in frame {number},"
                yield ByteDifference(where, place, whole.one, whole.two)
                return
    yield whole


def compare_files(one: Path, two: Path, name: str) -> Iterator[ByteDifference]:
    """Find the first byte in which two files differ."""
    with one.open("rb") as left, two.open("rb") as right:
        yield from _first(iter(lambda: left.read(_BLOCK), b""), iter(lambda: right.read(_BLOCK), b""), name)


def _first(one: Iterable[bytes], two: Iterable[bytes], where: str) -> Iterator[ByteDifference]:
    """Find the first difference of two contents, however they are divided."""
    lefts, rights = iter(one), iter(two)
    left, right = next(lefts, b""), next(rights, b"")
    place = 0
    while left or right:
        size = min(len(left), len(right))
        if not size or left[:size] != right[:size]:
            at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0)
            shown = (_window(left[at:], lefts), _window(right[at:], rights))
            yield ByteDifference(where, place + at, *shown)
            return
        left, right, place = left[size:], right[size:], place + size
        left, right = left or next(lefts, b""), right or next(rights, b"")


def _window(rest: bytes, more: Iterator[bytes]) -> bytes:
    return (rest + next(more, b""))[:_SHOWN] if len(rest) < _SHOWN else rest[:_SHOWN]
