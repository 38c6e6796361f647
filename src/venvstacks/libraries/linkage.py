"""What layers hold and need of native code, and what follows from it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from venvstacks.binaries.native_image import NativeFile
from venvstacks.platforms.compatibility import Compatibility

DYNLIB = "share/venv/dynlib"
"""Where a layer on POSIX offers its libraries: a folder of links, relative to the layer."""

BASE_PYTHON = "the base Python"
"""The owner of what belongs to a runtime's interpreter, and to no package."""


class Natives(Struct, frozen=True):
    """The native files of a layer that its target can load, as its packages brought them.

    Attributes:
        files: Sorted by path.
        links: Symbolic links to such files -> the files, both relative to the layer.
    """

    files: tuple[NativeFile, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


NO_NATIVES = Natives()
"""Those of a layer that has none."""


@dataclass(frozen=True, slots=True)
class LibraryLayer:
    """What of a layer decides which libraries it offers and finds.

    Attributes:
        build_name: Its name among all layers.
        title: How messages name it: ``framework 'torch'``.
        install_target: The folder it is installed in, beside the others.
        compatibility: The target with the layer's limits.
        exclude: Globs of native files that take no part in this.
        allow_missing: Globs of names of libraries that nobody has to provide.
        is_top: Whether no layer can depend on it: an application.
        stand_ins: Layers below that may be missing -> those of which one is there instead; by build names.
    """

    build_name: str
    title: str
    install_target: str
    compatibility: Compatibility
    natives: Natives
    exclude: tuple[str, ...] = ()
    allow_missing: tuple[str, ...] = ()
    is_top: bool = False
    stand_ins: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offers:
    """What a layer offers by name.

    Attributes:
        libraries: Name (as needed by others) -> the file.
        excluded: Name -> a file that would be offered if the layer did not exclude it.
        conflicts: Name -> the different libraries that have it in this layer, if there are several.
    """

    libraries: Mapping[str, NativeFile]
    excluded: Mapping[str, NativeFile]
    conflicts: Mapping[str, tuple[NativeFile, ...]]


class Origin(StrEnum):
    """Where a needed library comes from."""

    OWN_PATH = "own path"
    """Where the file that needs it looks by itself, or where those look that load it."""
    LAYER = "layer"
    """Elsewhere in its layer."""
    BELOW = "below"
    """A layer below."""
    SYSTEM = "system"
    ALLOWED = "allowed to be missing"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Use:
    """A library that a file needs.

    Attributes:
        file: Path of the file that needs it, relative to its layer.
        owner: Where that file comes from.
        needed: The library, as the file names it.
        source: Where it comes from.
        layer: Build name of the layer that provides it; empty if none does.
        provider: The providing file, relative to that layer.
        shadowed: Build names of layers further down that offer the same name.
        remark: Why nobody provides it, if more can be said than that.
        others: Other libraries of that name in the providing layer, relative to it; none if it is an application's
            own, as no layer depends on that.
    """

    file: str
    owner: str
    needed: str
    source: Origin
    layer: str = ""
    provider: str = ""
    shadowed: tuple[str, ...] = ()
    remark: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Linking:
    """How a layer's files find what they need.

    Attributes:
        uses: Everything that is needed, sorted by file.
        links: Name -> file, for the layer's folder of offered libraries (POSIX).
        additions: File -> entries to add to where it looks (Linux).
        dyld: Install targets of the layers whose offered libraries the loader has to be led to (macOS).
        dll_folders: Folders with offered DLLs, of this layer and those below (Windows); relative to this layer.
    """

    uses: tuple[Use, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    additions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dyld: tuple[str, ...] = ()
    dll_folders: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Use, ...]:
        """What nobody provides."""
        return tuple(use for use in self.uses if use.source is Origin.MISSING)
