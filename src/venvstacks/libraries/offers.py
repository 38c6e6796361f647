"""Which libraries a layer offers, by which names."""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from venvstacks.binaries.native_image import Kind, NativeFile
from venvstacks.libraries.linkage import LibraryLayer, Offers
from venvstacks.libraries.system import REDISTRIBUTABLE, system_libraries
from venvstacks.platforms.targets import Target

EXTENSION_MODULE = re.compile(r".*\.(cpython-[^/]+|pypy\d+[^/]*|abi3)\.so", re.DOTALL)
_NAMES = {
    "linux": re.compile(r"lib.*\.so|.*\.so(\.\d+)+", re.DOTALL),
    "macosx": re.compile(r".*\.dylib|lib.*\.so", re.DOTALL),
    "win": re.compile(r".*\.dll", re.DOTALL | re.IGNORECASE),
}


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return a test for POSIX paths whose last parts match one of some globs, as many parts as the glob has.

    ``*``, ``?`` and ``[...]`` match within a part, ``**`` any number of parts. Upper and lower case count.
    """
    patterns = [parts for glob in globs if (parts := [part for part in glob.split("/") if part])]
    return lambda path: any(_matches(path.split("/"), pattern) for pattern in patterns)


# Not the rules of .gitignore, by which a pattern for a folder matches everything in it, and `!` and `#` mean more.
def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    starts = {*range(len(parts))}  # where in the path the rest of the pattern may begin
    for glob in pattern:
        if glob == "**":
            starts = {*range(min(starts, default=len(parts)), len(parts))}
        else:
            starts = {at + 1 for at in starts if at < len(parts) and fnmatchcase(parts[at], glob)}
    return bool(starts) if pattern[-1] == "**" else len(parts) in starts


def is_shared_library(file: NativeFile, target: Target) -> bool:
    """Return whether a file is a library to link with, by its name, and no program, extension module or plugin."""
    name = file.file_name
    return (
        file.kind is Kind.LIBRARY
        and _NAMES[target.os].fullmatch(name) is not None
        and EXTENSION_MODULE.fullmatch(name) is None
    )


def names_of(file: NativeFile, target: Target) -> tuple[str, ...]:
    """Return the names under which a library may be needed: its file's, and on Linux its own (the soname)."""
    if target.is_windows:
        return (file.file_name.lower(),)
    is_needed_so = target.os == "linux" and "/" not in file.name and file.name not in {"", ".", ".."}
    return tuple(dict.fromkeys((file.file_name, file.name))) if is_needed_so else (file.file_name,)


def offers_of(layer: LibraryLayer) -> Offers:
    """Find what a layer offers.

    Of files with one name and the same content, the first by path is offered. A file that is called so goes before
    one that only calls itself so. What the target's system has is not offered: it is taken from there.
    """
    target = layer.compatibility.target
    is_excluded, is_system = matcher(layer.exclude), system_libraries(layer.compatibility)
    found: dict[str, list[NativeFile]] = {}
    excluded: dict[str, NativeFile] = {}
    for file in layer.natives.files:
        for name in names_of(file, target) if is_shared_library(file, target) else ():
            if is_system(name):
                continue
            if is_excluded(file.path):
                excluded.setdefault(name, file)
            else:
                found.setdefault(name, []).append(file)
    excluded = {name: file for name, file in sorted(excluded.items()) if name not in found}
    libraries, conflicts = {}, {}
    for name, files in sorted(found.items()):
        called = [file for file in files if names_of(file, target)[0] == name] or files
        libraries[name] = called[0]
        different = {file.digest or file.path: file for file in reversed(called)}
        if len(different) > 1 and not (target.is_windows and REDISTRIBUTABLE.fullmatch(name)):
            conflicts[name] = tuple(sorted(different.values(), key=lambda file: file.path))
    return Offers(libraries, excluded, conflicts)
