"""Whether a target can load an image, and whether it needs a newer system than the layer promises."""

from venvstacks.binaries.native_image import Binary, Format, Image
from venvstacks.platforms.compatibility import Compatibility, Version

_FORMATS = {"linux": Format.ELF, "macosx": Format.MACHO, "win": Format.PE}
_WORD_SIZE = 64  # of every target


def own_format(compatibility: Compatibility) -> Format:
    """Return the format of a target's native files."""
    return _FORMATS[compatibility.target.os]


def fitting(binary: Binary, compatibility: Compatibility) -> Image | None:
    """Return the image that a target would load, whatever its limits; None if there is none."""
    if binary.format is not own_format(compatibility):
        return None
    return next((image for image in binary.loadable if _fits(image, compatibility)), None)


def _fits(image: Image, compatibility: Compatibility) -> bool:
    return (
        image.architecture == compatibility.target.arch
        and image.bits == _WORD_SIZE
        and image.libc in {None, compatibility.libc}
        and image.system in {"", "macos"}
    )


def excess(image: Image, compatibility: Compatibility) -> tuple[str, str] | None:
    """Compare what an image needs with what the layer promises."""
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


def describe(binary: Binary) -> str:
    """Describe what a file is: ``ELF x86_64 (glibc)``, ``Mach-O x86_64, arm64``."""
    return f"{binary.format} {', '.join(dict.fromkeys(map(_describe, binary.loadable)))}"


def _describe(image: Image) -> str:
    traits = (
        *(["32 bits"] if image.bits != _WORD_SIZE else []),
        *([image.libc] if image.libc else []),
        *([image.system] if image.system not in {"", "macos"} else []),
    )
    listed = ", ".join(traits)
    return f"{image.architecture} ({listed})" if listed else image.architecture


def describe_allowed(compatibility: Compatibility) -> str:
    """Describe what a target can load, in the same words."""
    libc = f" ({compatibility.libc})" if compatibility.target.os == "linux" else ""
    return f"{own_format(compatibility)} {compatibility.target.arch}{libc}"
