"""What of a layer's native files decides which libraries it needs and offers."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from venvstacks.binaries.limits import fitting
from venvstacks.binaries.native_image import Image
from venvstacks.binaries.policy import Found
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import BinaryFormatError
from venvstacks.files import file_sha256
from venvstacks.libraries.linkage import NativeFile, Natives
from venvstacks.libraries.offers import is_shared_library, names_of
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import Target

_MOST_STEPS = 16  # from link to link


def natives_of(
    found: Iterable[Found], entries: Sequence[Entry], folder: Path, compatibility: Compatibility
) -> Natives:
    """Describe the native files of a layer that its target can load."""
    files = [
        _described(item, image)
        for item in found
        if not isinstance(item.binary, BinaryFormatError) and (image := fitting(item.binary, compatibility))
    ]
    files.sort(key=lambda file: file.path)
    return Natives(
        _told_apart(files, folder, compatibility.target), tuple(_links(entries, {file.path for file in files}))
    )


def _described(item: Found, image: Image) -> NativeFile:
    return NativeFile(
        path=item.path,
        owner=item.owner.name,
        kind=image.kind,
        needed=tuple(map(_storable, image.needed)),
        optional=tuple(map(_storable, image.optional)),
        name=_storable(image.name),
        search=tuple(map(_storable, image.search)),
        passes_search=image.passes_search,
    )


def _storable(text: str) -> str:
    """Let a name in another encoding than UTF-8 be one that can be written down; no file is called so then."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _told_apart(files: Sequence[NativeFile], folder: Path, target: Target) -> tuple[NativeFile, ...]:
    """Hash the libraries that have a name in common."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for file in files:
        for name in names_of(file, target) if is_shared_library(file, target) else ():
            by_name[name].append(file.path)
    alike = {path for paths in by_name.values() if len(paths) > 1 for path in paths}
    return tuple(
        replace(file, digest=file_sha256(folder / file.path)) if file.path in alike else file for file in files
    )


def _links(entries: Sequence[Entry], files: set[str]) -> Iterable[tuple[str, str]]:
    targets = {entry.path: entry.link_target for entry in entries if entry.kind is EntryKind.SYMLINK}
    for path in targets:
        if (led := _followed(path, targets)) in files:
            yield path, led


def _followed(path: str, targets: Mapping[str, str]) -> str:
    for _ in range(_MOST_STEPS):
        if path not in targets:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), targets[path]))
    return path
