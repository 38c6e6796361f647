"""What of a layer's native files decides which libraries it needs and offers."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from venvstacks.binaries.identify import fitting
from venvstacks.binaries.native_image import NativeFile
from venvstacks.binaries.policy import Found
from venvstacks.entries import Entry, EntryKind
from venvstacks.files import file_sha256
from venvstacks.libraries.linkage import Natives
from venvstacks.libraries.offers import is_shared_library, names_of
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import Target

_MOST_STEPS = 16  # from link to link


def natives_of(
    found: Iterable[Found], entries: Sequence[Entry], folder: Path, compatibility: Compatibility
) -> Natives:
    """Describe the native files of a layer that its target can load."""
    files = sorted(
        (
            _place(image.linkage, item)
            for item in found
            if (image := fitting(item.images, compatibility)) is not None
        ),
        key=lambda file: file.path,
    )
    paths = {file.path for file in files}
    return Natives(
        tuple(_hash_namesakes(files, folder, compatibility.target)), tuple(_links_to_files(entries, paths))
    )


def _place(file: NativeFile, item: Found) -> NativeFile:
    return replace(
        file,
        path=item.path,
        owner=item.owner.name,
        needed=tuple(map(_storable, file.needed)),
        optional=tuple(map(_storable, file.optional)),
        name=_storable(file.name),
        search=tuple(map(_storable, file.search)),
    )


def _storable(text: str) -> str:
    """Let a name in another encoding than UTF-8 be one that can be written down; no file is called so then."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _hash_namesakes(files: Sequence[NativeFile], folder: Path, target: Target) -> Iterator[NativeFile]:
    """Hash the libraries that have a name in common."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for file in files:
        for name in names_of(file, target) if is_shared_library(file, target) else ():
            by_name[name].append(file.path)
    alike = {path for paths in by_name.values() if len(paths) > 1 for path in paths}
    for file in files:
        yield replace(file, digest=file_sha256(folder / file.path)) if file.path in alike else file


def _links_to_files(entries: Sequence[Entry], files: set[str]) -> Iterator[tuple[str, str]]:
    targets = {entry.path: entry.target for entry in entries if entry.type is EntryKind.SYMLINK}
    for path in targets:
        if (end := _follow(path, targets)) in files:
            yield path, end


def _follow(path: str, targets: Mapping[str, str]) -> str:
    for _ in range(_MOST_STEPS):
        if path not in targets:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), targets[path]))
    return path
