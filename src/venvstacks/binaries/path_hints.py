"""What a path says of a file's platform: ``attach_x86.dll``, ``linux-arm64/tool``, ``x.cp39-win_amd64.pyd``.

Packages that carry native files for several platforms choose among them by such names when they run.
"""

import re

from venvstacks.platforms.compatibility import Compatibility

_ARCHITECTURES = {
    "x86_64": ("x86_64", "amd64", "x64"),
    "arm64": ("arm64", "aarch64", "arm", "arm64ec", "arm64e"),
    "i686": ("x86", "i386", "i486", "i586", "i686"),
    "armv7l": ("arm", "armhf", "armv6l", "armv7", "armv7l", "armv8l"),
    "ppc64": ("ppc", "ppc64", "ppc64le", "powerpc64le"),
    "s390x": ("s390x",),
    "riscv64": ("riscv64",),
    "loongarch64": ("loongarch64",),
}
_SYSTEMS = {
    "linux": ("linux",),
    "glibc": ("gnu", "glibc", "manylinux", "manylinux1", "manylinux2010", "manylinux2014"),
    "musl": ("musl", "musllinux", "alpine"),
    "macosx": ("darwin", "mac", "macos", "macosx", "osx"),
    "win": ("win", "win32", "win64", "windows", "msvc"),
    "others": ("android", "freebsd", "ios"),
}
_BOTH = {"universal2": ("x86_64", "arm64"), "universal": ("x86_64", "arm64")}
_SEPARATORS = re.compile(r"[^a-z0-9]+")


def _by_word(table: dict[str, tuple[str, ...]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, words in table.items():
        for word in words:
            found.setdefault(word, set()).add(name)
    return found


_ARCHITECTURES_BY_WORD = _by_word(_ARCHITECTURES) | {word: set(names) for word, names in _BOTH.items()}
_SYSTEMS_BY_WORD = _by_word(_SYSTEMS)


def names_target(path: str, compatibility: Compatibility) -> bool | None:
    """Whether words in a path name the target's architecture and no other system.

    False if they name other architectures or systems only; None if they do neither.
    """
    text = path.lower().replace("x86_64", "amd64").replace("x86-64", "amd64")
    # extension modules for musl were called so too, before CPython told the two apart
    parts = _SEPARATORS.split(text.removesuffix("-gnu.so"))
    architectures = {name for part in parts for name in _ARCHITECTURES_BY_WORD.get(part, ())}
    systems = {name for part in parts for name in _SYSTEMS_BY_WORD.get(part, ())}
    target = compatibility.target
    architecture = {"amd64": "x86_64", "aarch64": "arm64"}.get(target.arch, target.arch)
    own = {target.os, compatibility.libc} if target.os == "linux" else {target.os}
    if systems & {"glibc", "musl"}:
        systems -= {"linux"}
    if (systems and not systems & own) or (architectures and architecture not in architectures):
        return False
    return True if architectures else None
