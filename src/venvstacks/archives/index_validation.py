"""Whether an index makes sense: no size, place or name in it is believed before."""

import os
from collections.abc import Iterable

from venvstacks.archives.codecs import Codec
from venvstacks.archives.entry_rules import case_clash, entry_problem
from venvstacks.archives.frame_layout import FrameParts, cut_into_frames, locate_files, tar_parts, zip_parts
from venvstacks.archives.index import FETCH_AGAIN, ArchiveIndex, IndexEntry, content_hash
from venvstacks.entries import EntryKind
from venvstacks.errors import ArchiveError
from venvstacks.file_names import control_characters, is_file_name
from venvstacks.humanize import size_text

LARGEST_FRAME = 96 << 20
"""Bytes of the largest content of a frame."""

_LONGEST_NAME = 255
_LATEST = 1 << 35  # seconds since 1970; some file systems hold no later time
_HARMLESS = 4 << 30  # bytes that any archive may unpack to
_HIGHEST_RATIO = 1000


def check_index(index: ArchiveIndex, name: str) -> tuple[FrameParts[IndexEntry], ...]:
    """Check an index by itself, and return what each frame holds."""
    try:
        return _check(index)
    except ValueError as error:
        raise ArchiveError(f"The index {name} is refused: {error}.", hint=FETCH_AGAIN) from error


def _check(index: ArchiveIndex) -> tuple[FrameParts[IndexEntry], ...]:
    check_facts(index.archive, (index.layer_name, index.target_platform), index.mtime)
    windows = os.name == "nt" or index.target_platform.startswith("win")
    if problem := entry_problem(index.entries, index.install_target, windows=windows):
        raise ValueError(problem)
    if not index.differs_in_case and (clash := case_clash(index.entries)):
        raise ValueError(f"{clash[0]!r} and {clash[1]!r} are one name where case does not count")
    _check_frames(index)
    is_zip = index.codec is Codec.DEFLATE
    parts = zip_parts(index.entries) if is_zip else tar_parts(index.entries, index.install_target, index.mtime)
    contents = cut_into_frames(parts, [frame.content_size for frame in index.frames])
    if is_zip and any(len(content) != 1 for content in contents):
        raise ValueError("a frame holds parts of two files")
    _check_places(index, contents)
    if content_hash(index.entries, index.mtime) != index.content_hash:
        raise ValueError("its content hash is not that of its entries")
    return contents


def check_facts(archive: str, names: Iterable[str], mtime: int) -> None:
    """Check what an index, or the header of a delta, declares beside entries and frames.

    ``names`` are those of the layer and its platform, which messages contain as they are.
    """
    if not is_file_name(archive):
        raise ValueError(f"{archive!r} cannot be the name of an archive")
    for name in names:
        if control_characters(name) or not 0 < len(name) <= _LONGEST_NAME:
            raise ValueError(f"{name[:_LONGEST_NAME]!r} cannot be the name of a layer or a platform")
    if mtime > _LATEST:
        raise ValueError(f"the time {mtime} is too late")


def check_frame_sizes(number: int, size: int, content_size: int, largest: int) -> None:
    """Check the sizes that a frame is declared to have, compressed and not."""
    if not 0 < content_size <= largest:
        raise ValueError(f"frame {number} is declared to contain {content_size} bytes")
    if not 0 < size <= content_size + content_size // 64 + 4096:
        raise ValueError(f"frame {number} is declared to have {size} bytes")


def _check_frames(index: ArchiveIndex) -> None:
    end = 0
    for number, frame in enumerate(index.frames):
        check_frame_sizes(number, frame.size, frame.content_size, LARGEST_FRAME)
        gap = frame.offset - end
        if gap < 0 or (gap and index.codec is not Codec.DEFLATE):
            raise ValueError(f"frame {number} is declared to begin at {frame.offset}")
        end = frame.offset + frame.size
    if end > index.archive_size or (end != index.archive_size and index.codec is not Codec.DEFLATE):
        raise ValueError(f"its frames end at {end}, and the archive at {index.archive_size}")
    total = sum(frame.content_size for frame in index.frames)
    if total > max(_HARMLESS, _HIGHEST_RATIO * index.archive_size):
        sizes = f"{size_text(index.archive_size)} would become {size_text(total)}"
        raise ValueError(f"{sizes}, which looks like an archive made to fill disks")


def _check_places(index: ArchiveIndex, contents: tuple[FrameParts[IndexEntry], ...]) -> None:
    places = locate_files(contents)
    for entry in index.entries:
        if bool(entry.sha256) != (entry.type is EntryKind.FILE):
            raise ValueError(f"the hash of {entry.path!r} is {'there' if entry.sha256 else 'not there'}")
        if (entry.frame, entry.offset) != places.get(entry.path, (0, 0)):
            raise ValueError(f"{entry.path!r} is declared to be where it cannot be")
