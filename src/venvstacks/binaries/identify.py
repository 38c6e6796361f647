"""Find out what a native file is, and whether a target can load it."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from venvstacks.binaries.byte_reader import MalformedError, Reader
from venvstacks.binaries.elf import MAGIC as ELF_MAGIC
from venvstacks.binaries.elf import read_elf
from venvstacks.binaries.macho import MAGICS as MACHO_MAGICS
from venvstacks.binaries.macho import read_macho
from venvstacks.binaries.native_image import Format, Image
from venvstacks.binaries.pe import MAGIC as PE_MAGIC
from venvstacks.binaries.pe import read_pe
from venvstacks.errors import BinaryFormatError
from venvstacks.platforms.compatibility import Compatibility, Version

_READERS: dict[Format, Callable[[Reader], tuple[Image, ...]]] = {
    Format.ELF: read_elf,
    Format.MACHO: read_macho,
    Format.PE: read_pe,
}
_FORMATS = {"linux": Format.ELF, "macosx": Format.MACHO, "win": Format.PE}
_WORD_SIZE = 64  # of every target


def read_binary(path: str | Path) -> tuple[Image, ...]:
    """Read what a native file says of itself: several images of a fat Mach-O file, none of any other file.

    Only headers and tables are read, and nothing is executed.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path a file is slow
        kind = _format(file.read(4))
        if kind is None:
            return ()
        reader = Reader(file, os.fstat(file.fileno()).st_size)
        try:
            return _READERS[kind](reader)
        except MalformedError as error:
            raise BinaryFormatError(os.fspath(path), kind, str(error)) from error


def _format(magic: bytes) -> Format | None:
    if magic == ELF_MAGIC:
        return Format.ELF
    if magic in MACHO_MAGICS:
        return Format.MACHO
    return Format.PE if magic.startswith(PE_MAGIC) else None


def own_format(compatibility: Compatibility) -> Format:
    """Return the format of a target's native files."""
    return _FORMATS[compatibility.target.os]


def fitting(images: Iterable[Image], compatibility: Compatibility) -> Image | None:
    """Return the image that a target would load, whatever its limits; None if there is none."""
    return next((image for image in images if _fits(image, compatibility)), None)


def _fits(image: Image, compatibility: Compatibility) -> bool:
    return (
        image.is_loadable
        and image.format is own_format(compatibility)
        and image.architecture == compatibility.target.arch
        and image.bits == _WORD_SIZE
        and image.libc in {None, compatibility.libc}
        and image.system in {"", "macos"}
    )


def excess(image: Image, compatibility: Compatibility) -> tuple[str, str] | None:
    """Describe which newer system an image needs than the layer promises, and what is allowed."""
    if compatibility.target.os == "linux" and compatibility.libc == "glibc":
        return _newer("glibc", image.glibc, compatibility.libc_version)
    if compatibility.target.os == "macosx":
        return _newer("macOS", image.macos, compatibility.macos_version)
    return None


def _newer(name: str, needed: Version | None, allowed: Version) -> tuple[str, str] | None:
    if needed is None or needed <= allowed:
        return None
    return f"needs {name} {_dotted(needed)}", f"{name} {_dotted(allowed)} or older"


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def describe_images(images: Iterable[Image]) -> str:
    """Describe what a file is: ``ELF x86_64 (glibc)``, ``Mach-O x86_64, arm64``."""
    loadable = [image for image in images if image.is_loadable]
    return f"{loadable[0].format} {', '.join(dict.fromkeys(map(_describe, loadable)))}"


def _describe(image: Image) -> str:
    traits = (
        *(["32 bits"] if image.bits != _WORD_SIZE else []),
        *([image.libc] if image.libc else []),
        *([image.system] if image.system not in {"", "macos"} else []),
    )
    return f"{image.architecture} ({', '.join(traits)})" if traits else image.architecture


def describe_allowed(compatibility: Compatibility) -> str:
    """Describe what a target can load, in the same words."""
    libc = f" ({compatibility.libc})" if compatibility.target.os == "linux" else ""
    return f"{own_format(compatibility)} {compatibility.target.arch}{libc}"
