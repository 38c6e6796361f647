"""Whether the header of a delta makes sense: no size, place or name in it is believed before."""

import os
from collections.abc import Sequence
from itertools import accumulate

from venvstacks.archives.entry_rules import entry_problem, path_problem
from venvstacks.archives.index_validation import check_facts, check_frame_sizes
from venvstacks.deltas.delta_format import (
    HIGHEST_PREFIX_RATIO,
    LARGEST_CONTENT,
    LARGEST_PREFIX,
    SHORT,
    SMALLEST_PREFIX,
    DeltaEntry,
    DeltaFrame,
    DeltaHeader,
)
from venvstacks.entries import EntryKind
from venvstacks.errors import DeltaError
from venvstacks.humanize import size_text

FETCH_ANOTHER = "fetch the delta again, or fetch and unpack the whole archive"

_HARMLESS = 64 << 20  # bytes that any delta may hold
_HIGHEST_RATIO = 250


def check_header(header: DeltaHeader, frames_size: int, name: str) -> None:
    """Check a header by itself."""
    try:
        _check(header, frames_size)
    except ValueError as error:
        raise DeltaError(f"The delta {name} is refused: {error}.", hint=FETCH_ANOTHER) from error


def _check(header: DeltaHeader, frames_size: int) -> None:
    check_facts(header.archive, (header.layer_name, header.target_platform), header.mtime)
    windows = os.name == "nt" or header.target_platform.startswith("win")
    if problem := entry_problem(header.entries, header.install_target, windows=windows):
        raise ValueError(problem)
    _check_sources(header, windows=windows)
    for number, frame in enumerate(header.frames, 1):
        _check_frame(header, frame, number)
    _check_sums(header, frames_size)
    _check_files(header, windows=windows)


def _check_sources(header: DeltaHeader, *, windows: bool) -> None:
    paths = [source.path for source in header.sources]
    if len(set(paths)) != len(paths):
        raise ValueError("an old file is named twice")
    for path in paths:
        if problem := path_problem(path, windows=windows):
            raise ValueError(problem)
    used = {stretch.source for frame in header.frames for stretch in frame.prefix}
    if used != set(range(len(paths))):
        raise ValueError("the old files that are named are not those that are used")


def _check_frame(header: DeltaHeader, frame: DeltaFrame, number: int) -> None:
    check_frame_sizes(number, frame.size, frame.content_size, LARGEST_CONTENT)
    for stretch in frame.prefix:
        if not stretch.size or stretch.start + stretch.size > header.sources[stretch.source].size:
            raise ValueError(f"frame {number} is declared to need what its old files do not hold")
    if frame.prefix and not SMALLEST_PREFIX <= _prefix_size(frame) <= LARGEST_PREFIX:
        raise ValueError(f"frame {number} is declared to need {_prefix_size(frame)} bytes of old files")


def _check_sums(header: DeltaHeader, frames_size: int) -> None:
    end = sum(frame.size for frame in header.frames)
    if end != frames_size:
        raise ValueError(f"its frames are declared to have {end} bytes, and have {frames_size}")
    content = sum(frame.content_size for frame in header.frames)
    prefix = sum(_prefix_size(frame) for frame in header.frames)
    if prefix > HIGHEST_PREFIX_RATIO * content:
        raise ValueError(f"{size_text(prefix)} of old files are declared to be needed for {size_text(content)}")
    if content > max(_HARMLESS, _HIGHEST_RATIO * (frames_size + prefix)):
        sizes = f"{size_text(frames_size)} would become {size_text(content)}"
        raise ValueError(f"{sizes}, which looks like a delta made to fill disks")


def _prefix_size(frame: DeltaFrame) -> int:
    return sum(stretch.size for stretch in frame.prefix)


def _check_files(header: DeltaHeader, *, windows: bool) -> None:
    new, kept = [], set()
    for entry in header.entries:
        digits = 0 if entry.type is not EntryKind.FILE else 64 if entry.frame else SHORT
        if len(entry.sha256) != digits:
            raise ValueError(f"the hash of {entry.path!r} has {len(entry.sha256)} digits")
        if entry.frame:
            new.append(entry)
        else:
            kept.add(entry.path)
    _check_contents(new, [frame.content_size for frame in header.frames])
    for path, old in header.moved.items():
        if path not in kept or old == path:
            raise ValueError(f"{path!r} is declared to have been moved, and was not")
        if problem := path_problem(old, windows=windows):
            raise ValueError(problem)


def _check_contents(new: Sequence[DeltaEntry], sizes: Sequence[int]) -> None:
    """Check that frames hold the contents of files one after the other, and nothing else."""
    starts = list(accumulate(sizes, initial=0))
    place = 0
    for entry in new:
        exists = entry.frame <= len(sizes) and entry.offset < sizes[entry.frame - 1]
        if not exists or starts[entry.frame - 1] + entry.offset != place or not entry.size:
            raise ValueError(f"{entry.path!r} is declared to be where it cannot be")
        place += entry.size
    if place != starts[-1]:
        raise ValueError(f"its frames hold {starts[-1]} bytes, and its files {place}")
