"""Which old file a new one is most like."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from venvstacks.archives.index import IndexEntry
from venvstacks.deltas.delta_format import HIGHEST_PREFIX_RATIO
from venvstacks.entries import EntryKind

_VARIABLE = re.compile(r"[0-9a-f]{8,}|[0-9]+(?:\.[0-9]+)*")  # hashes and versions in names
_NEAR = 16  # files of about the same size that are looked at: many may have names of one form


def counterparts(old: Iterable[IndexEntry], new: Iterable[IndexEntry]) -> Mapping[str, IndexEntry]:
    """Find for each of many files the old one that it should be compressed against.

    That is the one with the same path; else one whose path differs in numbers and hashes alone, as those of
    ``dist-info`` folders and vendored libraries; else one with such a name in another folder.
    """
    files = sorted(
        (entry for entry in old if entry.type is EntryKind.FILE and entry.size), key=lambda entry: entry.size
    )
    by_path = {entry.path: entry for entry in files}
    by_form: dict[str, list[IndexEntry]] = defaultdict(list)
    by_name: dict[str, list[IndexEntry]] = defaultdict(list)
    for entry in files:
        form = _form(entry.path)
        by_form[form].append(entry)
        by_name[form.rpartition("/")[2]].append(entry)
    found = {}
    for entry in new:
        form = _form(entry.path)
        same = [by_path[entry.path]] if entry.path in by_path else []
        for candidates in (same, by_form.get(form, ()), by_name.get(form.rpartition("/")[2], ())):
            near = _near(candidates, entry.size)
            likely = [old for old in near if old.size <= HIGHEST_PREFIX_RATIO * entry.size]
            if likely:
                found[entry.path] = min(likely, key=lambda old: _distance(old, entry))
                break
    return found


def _form(path: str) -> str:
    """Return a path without what changes from version to version."""
    return _VARIABLE.sub("#", path)


def _near(files: Sequence[IndexEntry], size: int) -> Sequence[IndexEntry]:
    """Return those of files, sorted by size, that have about a size."""
    place = bisect_left(files, size, key=lambda entry: entry.size)
    return files[max(0, place - _NEAR) : place + _NEAR]


def _distance(old: IndexEntry, new: IndexEntry) -> tuple[int, int, str]:
    """Describe how unlike two files are: by their folders, then by their sizes."""
    old_parts, new_parts = set(old.path.split("/")), set(new.path.split("/"))
    return -len(old_parts & new_parts), abs(old.size - new.size), old.path
