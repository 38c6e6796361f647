"""What a native file says of itself."""

from enum import StrEnum

from msgspec import Struct

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


class NativeFile(Struct, frozen=True):
    """What decides how a program or library is linked; build states keep it of files that their target can load.

    Attributes:
        path: POSIX path relative to its layer; empty as long as only the file itself was read.
        owner: For messages: a distribution with its version, or the base Python; empty like the path.
        kind: Whether it is a program or a library.
        needed: Libraries it needs, as written.
        optional: Those of them without which it is loaded: weak and lazy ones (Mach-O), delayed ones (PE).
        name: What it calls itself as a library: soname, install name, DLL name; empty if it does not.
        search: Where it looks for libraries, as written: RUNPATH, else RPATH (ELF); rpaths (Mach-O).
        passes_search: Whether libraries that it loads look there too: an RPATH and no RUNPATH (ELF).
        digest: SHA-256 of its content in hexadecimal digits; only where other files of its layer have its name.
    """

    path: str
    owner: str
    kind: Kind
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    name: str = ""
    search: tuple[str, ...] = ()
    passes_search: bool = False
    digest: str = ""

    @property
    def folder(self) -> str:
        """The folder that holds it, relative to the layer."""
        return self.path.rpartition("/")[0]

    @property
    def file_name(self) -> str:
        """Its name in that folder."""
        return self.path.rpartition("/")[2]


class Image(Struct, frozen=True):
    """Code for one architecture: a whole file, or one slice of a fat Mach-O file.

    Attributes:
        format: The file's format.
        architecture: As in the wheel tags of its system: ``x86_64``, ``aarch64``, ``arm64``, ``amd64``,
            ``i686``, ...; ``machine N`` with the format's own number for those without wheels.
        bits: The word size: 32 or 64.
        linkage: What it is for, needs and offers.
        system: What it runs on, if it says so: ``macos``, ``ios``, ... (Mach-O), else empty.
        libc: The C library it was made for (ELF), if that can be seen.
        glibc: The highest version of glibc whose symbols it cannot do without (ELF).
        macos: The oldest macOS it was made for (Mach-O).
    """

    format: Format
    architecture: str
    bits: int
    linkage: NativeFile
    system: str = ""
    libc: Libc | None = None
    glibc: Version | None = None
    macos: Version | None = None

    @property
    def is_loadable(self) -> bool:
        """Whether a process could load it."""
        return self.linkage.kind is not Kind.OTHER
