"""Which entries an archive may hold; what would reach beyond the layer, or come out as another, is refused."""

import re
from collections.abc import Iterable, Mapping, Sequence

from venvstacks.archives.index import IndexEntry
from venvstacks.entries import FOLDER_MODE, LINK_MODE, Entry, EntryKind
from venvstacks.file_names import control_characters, folded, windows_problem
from venvstacks.files import TEMPORARY_PREFIX

_MODES = {EntryKind.FILE: (0o644, 0o755), EntryKind.FOLDER: (FOLDER_MODE,), EntryKind.SYMLINK: (LINK_MODE,)}
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_LONGEST_NAME = 255  # bytes of a part of a path, on all usual file systems
_LONGEST_PATH = 4000  # bytes of a path or of a link's target
_MOST_HOPS = 40  # links that Linux follows in a row
_MOST_EFFORT = 20_000_000  # parts of paths that are looked at; a layer with 100,000 links takes a fraction


def entry_problem(entries: Sequence[Entry | IndexEntry], top: str, *, windows: bool) -> str | None:
    """Find the first entry that an archive must not hold, or that it holds in the wrong order."""
    refused = "/" in top or top.startswith(TEMPORARY_PREFIX) or bool(control_characters(top))
    if refused or path_problem(top, windows=windows):
        return f"{top!r} cannot be the name of a layer's folder"
    known: dict[str, EntryKind] = {}
    links: dict[str, str] = {}
    folders_end = False
    for entry in entries:
        problem = (
            path_problem(entry.path, windows=windows) or _facts_problem(entry) or _place_problem(entry, known)
        )
        if problem:
            return problem
        folders_end = folders_end or entry.type is not EntryKind.FOLDER
        if folders_end and entry.type is EntryKind.FOLDER:
            return f"the folder {entry.path!r} comes after what is not a folder"
        known[entry.path] = entry.type
        if entry.type is EntryKind.SYMLINK:
            links[entry.path] = entry.target
    return _links_problem(links, top, windows=windows)


def path_problem(path: str, *, windows: bool) -> str | None:
    """Describe why an entry must not have a path."""
    if path.startswith("/") or (path[1:2] == ":" and _DRIVE.match(path)):
        return f"the path {path!r} is absolute"
    framed = f"/{path}/"
    if "/../" in framed:
        return f"the path {path!r} leads out of its folder"
    if "//" in framed or "/./" in framed or "\0" in path:
        return f"the path {path!r} is not one that a file can have"
    if (len(path) > _LONGEST_NAME or not path.isascii()) and (problem := _text_problem(path)):
        return problem
    if windows and (problem := windows_problem(path)):
        return f"{path!r} {problem}"
    return None


def _text_problem(path: str) -> str | None:
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return f"the name of {path!r} is not valid Unicode"
    if length > _LONGEST_NAME and (
        length > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in path.split("/"))
    ):
        return f"the path {path!r} is too long"
    return None


def _facts_problem(entry: Entry | IndexEntry) -> str | None:
    if entry.mode not in _MODES[entry.type]:
        return f"{entry.path!r} has the mode {entry.mode:o}, which no {entry.type.value} of a layer has"
    if entry.type is not EntryKind.FILE and entry.size:
        return f"the {entry.type.value} {entry.path!r} has a size"
    if bool(entry.target) != (entry.type is EntryKind.SYMLINK):
        which = "has no" if entry.type is EntryKind.SYMLINK else "has a"
        return f"the {entry.type.value} {entry.path!r} {which} target"
    return None


def _place_problem(entry: Entry | IndexEntry, known: Mapping[str, EntryKind]) -> str | None:
    if entry.path in known:
        return f"{entry.path!r} is there twice"
    parent, _, _ = entry.path.rpartition("/")
    if parent and (holder := known.get(parent)) is not EntryKind.FOLDER:
        what = "not there" if holder is None else f"a {holder.value}"
        return f"{entry.path!r} lies in {parent!r}, which is {what}"
    return None


def _links_problem(links: Mapping[str, str], top: str, *, windows: bool) -> str | None:
    for path, target in links.items():
        if target.startswith("/") or _DRIVE.match(target) or (windows and "\\" in target):
            return f"the link {path!r} is absolute (it leads to {target!r})"
        try:
            length = len(target.encode())
        except UnicodeEncodeError:
            return f"the target of the link {path!r} is not valid Unicode"
        if "\0" in target or length > _LONGEST_PATH:
            return f"the link {path!r} has a target that no link can have"
    effort = 0
    for path in links:
        problem, steps = _link_problem(path, top, links)
        effort += steps
        if problem or effort > _MOST_EFFORT:
            return problem or f"the link {path!r} and those before it lead through too many folders"
    return None


def _link_problem(path: str, top: str, links: Mapping[str, str]) -> tuple[str | None, int]:
    """Describe why a link must not lead where it leads, and how much work it was to find out.

    It may lead into the layer or to a sibling of its folder. It is followed as the operating system does it,
    through the other links of the layer; what a sibling holds is not known, so there must be no way back from it.
    """
    place = [top, *path.split("/")[:-1]]
    rest = links[path].split("/")[::-1]
    hops = effort = 0
    while rest:
        part = rest.pop()
        effort += len(place) + 1
        if part == "..":
            if not place or place[0] != top:
                break
            place.pop()
        elif part not in ("", "."):
            place.append(part)
            onward = links.get("/".join(place[1:])) if place[0] == top else None
            if onward is not None:
                hops += 1
                if hops > _MOST_HOPS:
                    return f"the link {path!r} leads through too many others (to {links[path]!r})", effort
                place.pop()
                rest.extend(onward.split("/")[::-1])
    else:
        if place:
            return None, effort
    return f"the link {path!r} leads out of the stack (to {links[path]!r})", effort


def case_clash(entries: Iterable[Entry | IndexEntry]) -> tuple[str, str] | None:
    """Find two paths that are one where case does not count, unless both are folders."""
    known: dict[str, Entry | IndexEntry] = {}
    for entry in entries:
        other = known.setdefault(folded(entry.path), entry)
        if other is not entry and not other.type is entry.type is EntryKind.FOLDER:
            return other.path, entry.path
    return None
