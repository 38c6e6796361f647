"""What a file finds where it looks by itself.

Linux, as ``ld.so(8)`` of glibc has it: a RUNPATH is for the libraries that a file needs itself; an RPATH, where
there is no RUNPATH, also for those that they need in turn, as long as these have no RUNPATH either. musl finds all
of that, and more. macOS (``dyld(1)``): ``@loader_path``, and ``@rpath`` with the rpaths of all that led to the
file. Windows: the folder of the file.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from venvstacks.binaries.native_image import Kind, NativeFile
from venvstacks.libraries.linkage import Natives
from venvstacks.platforms.targets import OperatingSystem

Folders = tuple[str, ...]
"""Folders in which libraries are looked for, relative to the layer."""

_ORIGIN = re.compile(r"\$(ORIGIN(?![A-Za-z0-9_])|\{ORIGIN\})")
_MACOS_SYSTEM = ("/usr/lib", "/System/")
_MOST_WAYS = 4
"""Ways to load a file that are followed: real files have one or two, made-up ones could have very many."""


class SearchPaths:
    """Where the files of a layer look within it."""

    def __init__(self, natives: Natives, system: OperatingSystem) -> None:
        self._files = natives.files
        self._system = system
        self._present: dict[str, NativeFile] = {self._key(file.path): file for file in natives.files}
        for link, path in natives.links:
            if path in self._present:
                self._present.setdefault(link, self._present[path])

    def find(self, file: NativeFile, needed: str) -> NativeFile | None:
        """Return what a file finds for a needed library, whichever way it is loaded itself."""
        results = [self._resolve(file, needed, passed) for passed in self._ways[file.path]]
        return results[0] if all(results) else None

    def find_alone(self, file: NativeFile, needed: str) -> NativeFile | None:
        """Return what a file finds by its own settings, without those of the files that load it."""
        return self._resolve(file, needed, ())

    def finds_from(self, file: NativeFile, folder: str, needed: str, links: Mapping[str, str]) -> bool:
        """Whether a file on Linux that was loaded through a link finds a library by its own settings.

        The loader takes the folder of the link for ``$ORIGIN``.
        """
        folders = _folders(file, folder, self._system)
        return any(
            (place == folder and needed in links) or _join(place, needed) in self._present for place in folders
        )

    @cached_property
    def _ways(self) -> Mapping[str, Sequence[Folders]]:
        """Return the folders that come to each file from those that load it, for each way to load it.

        Their order is always the same, since layers are.
        """
        loaded: dict[str, list[Folders]] = defaultdict(list)
        waiting: list[tuple[NativeFile, Folders]] = [(file, ()) for file in self._files]
        while waiting:
            file, passed = waiting.pop()
            passes = file.passes_search or self._system == "macosx"
            own = _folders(file, file.folder, self._system) if passes else ()
            further = tuple(dict.fromkeys((*own, *passed)))
            for needed in file.needed:
                library = self._resolve(file, needed, passed)
                if library is None or further in loaded[library.path]:
                    continue
                if len(loaded[library.path]) < _MOST_WAYS:
                    loaded[library.path].append(further)
                    waiting.append((library, further))
        return {file.path: loaded[file.path] or [()] for file in self._files}

    def _resolve(self, file: NativeFile, needed: str, passed: Folders) -> NativeFile | None:
        return next((f for place in self._places(file, needed, passed) if (f := self._present.get(place))), None)

    def _places(self, file: NativeFile, needed: str, passed: Folders) -> Iterator[str]:
        if self._system == "win":
            yield self._key(_join(file.folder, needed))
        elif self._system == "macosx":
            yield from _macos_places(file, needed, passed)
        elif "/" not in needed:
            has_runpath = bool(file.search) and not file.passes_search
            own = _folders(file, file.folder, self._system)
            for folder in own if has_runpath else (*own, *passed):
                yield _join(folder, needed)

    def _key(self, path: str) -> str:
        return path.lower() if self._system == "win" else path


def _macos_places(file: NativeFile, needed: str, passed: Folders) -> Iterator[str]:
    first, _, rest = needed.partition("/")
    if first in _here(file):
        yield from _inside(needed, first, file.folder)
    elif first == "@rpath":
        for folder in (*_folders(file, file.folder, "macosx"), *passed):
            yield posixpath.normpath(_join(folder, rest))


def _folders(file: NativeFile, folder: str, system: OperatingSystem) -> Folders:
    """Return where a file looks if it is loaded from a folder, as far as that is in the layer."""
    if system == "linux":
        return tuple(inside for entry in file.search for inside in _inside(_ORIGIN.sub("$", entry), "$", folder))
    marks = [(entry, entry.partition("/")[0]) for entry in file.search]
    return tuple(i for entry, mark in marks if mark in _here(file) for i in _inside(entry, mark, folder))


def _here(file: NativeFile) -> tuple[str, ...]:
    """Return what means a file's own folder on macOS: the executable of a process is a program."""
    return ("@loader_path", "@executable_path") if file.kind is Kind.PROGRAM else ("@loader_path",)


def _inside(entry: str, mark: str, folder: str) -> Iterator[str]:
    """Return the place that an entry means, relative to the layer, if it leads there."""
    if entry == mark or entry.startswith(f"{mark}/"):
        path = posixpath.normpath(_join(folder, entry.removeprefix(mark).lstrip("/")))
        if path != ".." and not path.startswith("../"):
            yield "" if path == "." else path


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def rpath_is_system(file: NativeFile, needed: str) -> bool:
    """Whether a file for macOS looks for a library in folders of the system (as for Swift's)."""
    return needed.startswith("@rpath/libswift") and any(entry.startswith(_MACOS_SYSTEM) for entry in file.search)
