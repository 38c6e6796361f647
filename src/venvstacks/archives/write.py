"""Writing a folder as an archive."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from venvstacks import files
from venvstacks.archives.codecs import BLOCK_SIZE, Compressor, compressor
from venvstacks.archives.formats import ArchiveDigest, ArchiveFormat
from venvstacks.archives.members import Member, members_of
from venvstacks.archives.tar import TarWriter
from venvstacks.archives.zips import ZipWriter
from venvstacks.errors import PublishError
from venvstacks.trees import Entry, EntryKind


class MemberWriter(Protocol):
    """Takes members one after the other."""

    def begin(self, member: Member) -> None:
        """Begin a member."""

    def data(self, data: bytes) -> None:
        """Take some of the member's content."""

    def end(self) -> None:
        """End the member."""

    def close(self) -> None:
        """End the archive."""


def write_archive(
    entries: Sequence[Entry],
    folder: Path,
    top: str,
    destination: Path,
    *,
    format: ArchiveFormat,  # noqa: A002 - the word users know
    level: int | None,
    mtime: int,
    progress: Callable[[int], None],
    check: Callable[[], None],
) -> ArchiveDigest:
    """Write entries of a folder as an archive whose bytes depend on them and on the options alone.

    The archive appears under its name when it is complete. Memory use does not grow with its size.

    Args:
        entries: What to write; paths relative to ``folder``.
        folder: What holds the entries.
        top: Name of the archive's only top-level folder.
        destination: The archive's final name.
        format: How to write it.
        level: Of the compression; None for the format's default.
        mtime: The time of every member, seconds since 1970.
        progress: Called with the number of content bytes handled since the last call.
        check: Called often; calls the work off by raising.

    Returns:
        The archive's size and hashes.

    Raises:
        UsageError: The format has no such level.
        PublishError: A file changed meanwhile, or an entry cannot be put into an archive.
        OSError: Something cannot be read or written.
    """
    level = format.level(level)
    members = members_of(entries, top)
    with files.atomic_path(destination) as temporary, temporary.open("xb") as file:
        output = _Output(file)
        content = hashlib.sha256()
        if format is ArchiveFormat.ZIP:
            _write_members(
                members,
                folder,
                (TarWriter(content.update, mtime), ZipWriter(output.write, mtime, level)),
                progress=progress,
                check=check,
            )
        else:
            packed = _PackedBlocks(compressor(format, level), output.write, content.update)
            _write_members(members, folder, (TarWriter(packed.write, mtime),), progress=progress, check=check)
            packed.close()
        return ArchiveDigest(output.size, output.hash.hexdigest(), content.hexdigest())


class _Output:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.hash.update(data)
        self.size += len(data)


class _PackedBlocks:
    """Feeds a compressor with blocks of one size, however its input is divided."""

    def __init__(
        self, stream: Compressor, write: Callable[[bytes], object], observe: Callable[[bytes], object]
    ) -> None:
        self._stream = stream
        self._write = write
        self._observe = observe
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) >= BLOCK_SIZE:
            self._feed(bytes(self._waiting[:BLOCK_SIZE]))
            del self._waiting[:BLOCK_SIZE]

    def close(self) -> None:
        self._feed(bytes(self._waiting))
        self._write(self._stream.flush())

    def _feed(self, block: bytes) -> None:
        self._observe(block)
        self._write(self._stream.compress(block))


def _write_members(
    members: Sequence[Member],
    folder: Path,
    writers: Sequence[MemberWriter],
    *,
    progress: Callable[[int], None],
    check: Callable[[], None],
) -> None:
    for member in members:
        check()
        for writer in writers:
            writer.begin(member)
        if member.entry.kind is EntryKind.FILE:
            for data in _content(folder, member.entry):
                check()
                for writer in writers:
                    writer.data(data)
                progress(len(data))
        for writer in writers:
            writer.end()
    for writer in writers:
        writer.close()


def _content(folder: Path, entry: Entry) -> Iterator[bytes]:
    """Read a file in blocks; more or less than its entry promises would damage the archive."""
    missing = entry.size
    with (folder / entry.path).open("rb") as file:
        while data := file.read(min(BLOCK_SIZE, missing + 1)):
            missing -= len(data)
            if missing < 0:
                break
            yield data
    if missing:
        raise PublishError(
            f"{entry.path!r} changed while it was archived: it had {entry.size} bytes when the layer was built.",
            hint="let nothing write into the build folder, and build the layer again",
        )
