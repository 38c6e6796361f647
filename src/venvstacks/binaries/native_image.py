"""What a native file says of itself."""

from dataclasses import dataclass
from enum import StrEnum

from venvstacks.platforms.compatibility import Version
from venvstacks.platforms.targets import Libc


class Format(StrEnum):
    """The three formats of native files, under the names people know them by."""

    ELF = "ELF"
    MACHO = "Mach-O"
    PE = "PE"


class Kind(StrEnum):
    """What an image is for."""

    PROGRAM = "program"
    LIBRARY = "library"
    OTHER = "other"
    """What no process loads as native code: object files, kernels for graphics processors, firmware, .NET code."""


@dataclass(frozen=True, slots=True)
class Image:
    """Code for one architecture: a whole file, or one slice of a fat Mach-O file.

    Attributes:
        kind: What it is for.
        architecture: As in the wheel tags of its system: ``x86_64``, ``aarch64``, ``arm64``, ``amd64``,
            ``i686``, ...; ``machine N`` with the format's own number for those without wheels.
        bits: The word size: 32 or 64.
        system: What it runs on, if it says so: ``macos``, ``ios``, ... (Mach-O), else empty.
        needed: Libraries it needs, as written.
        optional: Those of them without which it is loaded: weak and lazy ones (Mach-O), delayed ones (PE).
        name: What it calls itself as a library: soname, install name, DLL name; empty if it does not.
        search: Where it looks for libraries, as written: RUNPATH, else RPATH (ELF); rpaths (Mach-O).
        passes_search: Whether libraries that it loads look there too: an RPATH and no RUNPATH (ELF).
        libc: The C library it was made for (ELF), if that can be seen.
        glibc: The highest version of glibc whose symbols it cannot do without (ELF).
        macos: The oldest macOS it was made for (Mach-O).
    """

    kind: Kind
    architecture: str
    bits: int
    system: str = ""
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    name: str = ""
    search: tuple[str, ...] = ()
    passes_search: bool = False
    libc: Libc | None = None
    glibc: Version | None = None
    macos: Version | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """A native file.

    Attributes:
        format: The file's format.
        images: Its slices; exactly one unless it is a fat Mach-O file.
    """

    format: Format
    images: tuple[Image, ...]

    @property
    def loadable(self) -> tuple[Image, ...]:
        """The images that a process could load."""
        return tuple(image for image in self.images if image.kind is not Kind.OTHER)
