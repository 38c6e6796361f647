"""Layers with native files that exist in words only."""

from typing import Any

from venvstacks.binaries.native_image import Kind, NativeFile
from venvstacks.libraries.linkage import LibraryLayer, Natives
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS

LINUX = Compatibility(TARGETS["linux_x86_64"])
MUSL = Compatibility(TARGETS["linux_aarch64"], "musl", (1, 2))
MACOS = Compatibility(TARGETS["macosx_arm64"])
WINDOWS = Compatibility(TARGETS["win_amd64"])
SITE = "lib/python3.12/site-packages"


def native_file(path: str, *needed: str, owner: str = "pkg 1", **fields: Any) -> NativeFile:
    """Describe a file in site-packages; a name without ``.so`` and the like is a program's."""
    kind = Kind.LIBRARY if any(end in path.lower() for end in (".so", ".dylib", ".dll", ".pyd")) else Kind.PROGRAM
    place = path.removeprefix("/") if path.startswith("/") else f"{SITE}/{path}"
    return NativeFile(place, owner, kind, needed, **fields)


def library_layer(
    name: str,
    *files: NativeFile,
    on: Compatibility = LINUX,
    links: tuple[tuple[str, str], ...] = (),
    exclude: tuple[str, ...] = (),
    allow_missing: tuple[str, ...] = (),
    version: str = "",
) -> LibraryLayer:
    natives = Natives(tuple(sorted(files, key=lambda file: file.path)), links)
    target = f"framework-{name}{version}"
    return LibraryLayer(f"framework-{name}", f"framework '{name}'", target, on, natives, exclude, allow_missing)
