"""Which libraries a layer offers, by which names."""

import re
from collections.abc import Iterator

from venvstacks.binaries.native_image import Kind, NativeFile
from venvstacks.libraries.globs import matcher
from venvstacks.libraries.linkage import Conflict, LibraryLayer, Offers
from venvstacks.libraries.system import REDISTRIBUTABLE, system_libraries
from venvstacks.platforms.targets import Target

EXTENSION_MODULE = re.compile(r".*\.(cpython-[^/]+|pypy\d+[^/]*|abi3)\.so", re.DOTALL)
_NAMES = {
    "linux": re.compile(r"lib.*\.so|.*\.so(\.\d+)+", re.DOTALL),
    "macosx": re.compile(r".*\.dylib|lib.*\.so", re.DOTALL),
    "win": re.compile(r".*\.dll", re.DOTALL | re.IGNORECASE),
}


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
    own = file.name if target.os == "linux" and _is_file_name(file.name) else ""
    return (file.file_name, own) if own not in {"", file.file_name} else (file.file_name,)


def _is_file_name(name: str) -> bool:
    return bool(name) and "/" not in name and name not in {".", ".."}


def offers_of(layer: LibraryLayer) -> Offers:
    """Find what a layer offers.

    Of files with one name and the same content, the first by path stands for all. A file that is called so goes
    before one that only calls itself so. What the target's system has is not offered: it is taken from there.
    """
    target = layer.compatibility.target
    is_excluded, is_system = matcher(layer.exclude), system_libraries(layer.compatibility)
    found: dict[str, list[NativeFile]] = {}
    excluded: dict[str, NativeFile] = {}
    for file in layer.natives.files:
        if not is_shared_library(file, target):
            continue
        for name in (name for name in names_of(file, target) if not is_system(name)):
            if is_excluded(file.path):
                excluded.setdefault(name, file)
            else:
                found.setdefault(name, []).append(file)
    found = {name: _called(files, name, target) for name, files in found.items()}
    return Offers(
        {name: files[0] for name, files in sorted(found.items())},
        {name: file for name, file in sorted(excluded.items()) if name not in found},
        tuple(_conflicts(found, target)),
    )


def _called(files: list[NativeFile], name: str, target: Target) -> list[NativeFile]:
    return [file for file in files if names_of(file, target)[0] == name] or files


def _conflicts(found: dict[str, list[NativeFile]], target: Target) -> Iterator[Conflict]:
    for name, files in sorted(found.items()):
        if len(files) > 1 and not (target.is_windows and REDISTRIBUTABLE.fullmatch(name)):
            different = {file.digest or file.path: file for file in reversed(files)}
            if len(different) > 1:
                yield Conflict(name, tuple(sorted(different.values(), key=lambda file: file.path)))
