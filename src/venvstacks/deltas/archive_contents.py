"""Parts of files out of an archive."""

from collections import defaultdict
from collections.abc import Sequence

from venvstacks.archives.archive_reader import ArchiveReader
from venvstacks.archives.frame_layout import Slice
from venvstacks.archives.index import IndexEntry


def gather(reader: ArchiveReader, parts: Sequence[Slice[IndexEntry]]) -> bytes:
    """Read parts of files and put them together.

    Each frame of the archive that holds some of it is decompressed once.
    """
    content = bytearray(sum(part.size for part in parts))
    wanted: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    place = 0
    for part in parts:
        before = 0
        for number, start, size in reader.pieces(part.entry):
            first = max(part.start, before)
            last = min(part.start + part.size, before + size)
            if first < last:
                wanted[number].append((start + first - before, last - first, place + first - part.start))
            before += size
        place += part.size
    for number, pieces in sorted(wanted.items()):
        frame = memoryview(reader.frame(number))
        for start, size, where in pieces:
            content[where : where + size] = frame[start : start + size]
    return bytes(content)
