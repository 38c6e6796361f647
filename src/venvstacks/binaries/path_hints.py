"""What a path says of a file's platform: ``attach_x86.dll``, ``linux-arm64/tool``, ``x.cp39-win_amd64.pyd``.

Packages that carry native files for several platforms choose among them by such names when they run.
"""

import re
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Words:
    """What a path says.

    Attributes:
        architectures: ``x86_64``, ``arm64``, ``i686``, ...; the same names for all systems.
        systems: ``linux``, ``glibc``, ``musl``, ``macosx``, ``win`` or ``others``.
    """

    architectures: frozenset[str]
    systems: frozenset[str]

    def name(self, compatibility: Compatibility) -> bool:
        """Whether they name the target's architecture, and no other system."""
        return self._architecture(compatibility) in self.architectures and not self.exclude(compatibility)

    def exclude(self, compatibility: Compatibility) -> bool:
        """Whether they name other systems or architectures only."""
        own = {compatibility.target.os, *([compatibility.libc] if compatibility.target.os == "linux" else [])}
        exact = self.systems - {"linux"} if self.systems & {"glibc", "musl"} else self.systems
        architecture = self._architecture(compatibility)
        elsewhere = bool(exact) and not exact & own
        return elsewhere or (bool(self.architectures) and architecture not in self.architectures)

    @staticmethod
    def _architecture(compatibility: Compatibility) -> str:
        return {"amd64": "x86_64", "aarch64": "arm64"}.get(compatibility.target.arch, compatibility.target.arch)


def words_of(path: str) -> Words:
    """Find the words for platforms in a path."""
    text = path.lower().replace("x86_64", "amd64").replace("x86-64", "amd64")
    # extension modules for musl were called so too, before CPython told the two apart
    text = text.removesuffix("-gnu.so")
    parts = _SEPARATORS.split(text)
    return Words(
        frozenset(name for part in parts for name in _ARCHITECTURES_BY_WORD.get(part, ())),
        frozenset(name for part in parts for name in _SYSTEMS_BY_WORD.get(part, ())),
    )
