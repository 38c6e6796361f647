"""What a layer's target can load: markers, wheel tags, and the best wheel among several."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from packaging.markers import Marker, UndefinedComparison
from packaging.tags import Tag, compatible_tags, cpython_tags, generic_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from venvstacks.platforms.targets import Libc, Target, host_libc, host_target

Version = tuple[int, int]
BuildNumber = tuple[int, str]

_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}  # PEP 600: manylinux1 (2.5) and manylinux2014 (2.17)
_LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


@dataclass(frozen=True, slots=True)
class PythonVersion:
    """An exact base Python.

    Attributes:
        implementation: ``cpython`` or ``pypy``.
        release: ``X.Y.Z``, with a pre-release suffix if it has one (``3.15.0a2``).
        freethreaded: Whether it is built without the global lock.
    """

    implementation: str
    release: str
    freethreaded: bool = False

    @property
    def minor(self) -> str:
        """``X.Y``."""
        return ".".join(self.release.split(".")[:2])

    @property
    def minor_version(self) -> Version:
        """``(X, Y)``."""
        major, minor = self.minor.split(".")
        return int(major), int(minor)

    @property
    def request(self) -> str:
        """As in a definition: ``cpython@3.13.0t``."""
        return f"{self.implementation}@{self.release}{'t' if self.freethreaded else ''}"

    @property
    def lib_name(self) -> str:
        """The folder in ``lib/`` that holds the standard library on POSIX: ``python3.13``, ``pypy3.11``."""
        prefix = "pypy" if self.implementation == "pypy" else "python"
        return f"{prefix}{self.minor}{'t' if self.freethreaded else ''}"


@dataclass(frozen=True, slots=True)
class Compatibility:
    """A target with the oldest system a layer must run on.

    Attributes:
        target: The operating system and architecture.
        libc: The C library (Linux only).
        libc_version: The C library's version (Linux only).
        macos_version: The macOS release (macOS only).
    """

    target: Target
    libc: Libc = "glibc"
    libc_version: Version = (2, 28)
    macos_version: Version = (13, 0)

    def platform_tags(self) -> Iterator[str]:
        """Return the wheel platform tags that fit, the most specific first (PEP 600, PEP 656)."""
        arch = self.target.arch
        if self.target.os == "macosx":
            yield from mac_platforms(self.macos_version, arch)
        elif self.target.os == "win":
            yield f"win_{arch}"
        else:
            family, oldest = ("musllinux", 0) if self.libc == "musl" else ("manylinux", _OLDEST_GLIBC[arch])
            major, newest = self.libc_version
            for minor in range(newest, oldest - 1, -1):
                yield f"{family}_{major}_{minor}_{arch}"
                if (major, minor) in _LEGACY_MANYLINUX:
                    yield f"{_LEGACY_MANYLINUX[major, minor]}_{arch}"
            yield f"linux_{arch}"

    @property
    def runs_here(self) -> bool:
        """Whether this machine can start programs that are made for it."""
        return self.target == host_target() and (self.target.os != "linux" or self.libc == host_libc())

    @property
    def uv_platform(self) -> str:
        """The value of uv's ``--python-platform`` that comes closest.

        uv knows a fixed set of C library versions. Locks name the wheels exactly, so the value only has
        to be new enough to let uv accept them.
        """
        match self.target.os:
            case "win":
                return {"amd64": "x86_64-pc-windows-msvc", "arm64": "aarch64-pc-windows-msvc"}[self.target.arch]
            case "macosx":
                return {"arm64": "aarch64-apple-darwin", "x86_64": "x86_64-apple-darwin"}[self.target.arch]
            case _ if self.libc == "musl":
                return f"{self.target.arch}-unknown-linux-musl"
            case _:
                known = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
                minor = next((m for m in known if (2, m) >= self.libc_version), known[-1])
                return f"{self.target.arch}-manylinux_2_{minor}"

    def describe(self) -> str:
        """Name the target with its limits for people: ``linux_x86_64 (glibc 2.28)``."""
        if self.target.os == "macosx":
            return f"{self.target.name} (macOS {'.'.join(map(str, self.macos_version))})"
        if self.target.os == "linux":
            return f"{self.target.name} ({self.libc} {'.'.join(map(str, self.libc_version))})"
        return self.target.name

    def tags(self, python: PythonVersion) -> Mapping[Tag, int]:
        """Return the wheel tags that fit, each with its rank; 0 is the best."""
        return _tags(self, python)

    def marker_environment(self, python: PythonVersion) -> dict[str, str]:
        """Return the PEP 508 environment of a Python on this target.

        Values that no lock can know (kernel release and version) are empty.
        """
        names = {"linux": ("posix", "Linux"), "darwin": ("posix", "Darwin"), "win32": ("nt", "Windows")}
        os_name, platform_system = names[self.target.sys_platform]
        return {
            "implementation_name": python.implementation,
            "implementation_version": python.release,
            "os_name": os_name,
            "platform_machine": self.target.platform_machine,
            "platform_python_implementation": "PyPy" if python.implementation == "pypy" else "CPython",
            "platform_release": "",
            "platform_system": platform_system,
            "platform_version": "",
            "python_full_version": python.release,
            "python_version": python.minor,
            "sys_platform": self.target.sys_platform,
            "extra": "",
        }


def host_compatibility() -> Compatibility:
    """Return what this machine's own programs are made for; of limits, only the C library says something."""
    target = host_target()
    is_musl = target.os == "linux" and host_libc() == "musl"
    return Compatibility(target, "musl", (1, 2)) if is_musl else Compatibility(target)


@cache
def _tags(on: Compatibility, python: PythonVersion) -> Mapping[Tag, int]:
    major, minor = python.minor_version
    platforms = tuple(on.platform_tags())
    if python.implementation == "cpython":
        interpreter = f"cp{major}{minor}"
        abi = f"{interpreter}{'t' if python.freethreaded else ''}"
        own = cpython_tags((major, minor), abis=[abi], platforms=platforms)
    else:
        interpreter = f"pp{major}{minor}"
        own = generic_tags(interpreter, [f"pypy{major}{minor}_pp73"], platforms)
    ranked = dict.fromkeys((*own, *compatible_tags((major, minor), interpreter, platforms)))
    return {tag: rank for rank, tag in enumerate(ranked)}


def best_wheel(filenames: Iterable[str], tags: Mapping[Tag, int]) -> str | None:
    """Choose the wheel an installer would choose."""
    candidates = []
    for filename in filenames:
        build, wheel_tags = _read_name(filename)
        ranks = [tags[tag] for tag in wheel_tags if tag in tags]
        if ranks:
            candidates.append((-min(ranks), build, filename))
    return max(candidates)[2] if candidates else None


@lru_cache(maxsize=10_000)
def _read_name(filename: str) -> tuple[BuildNumber, frozenset[Tag]]:
    """Return build number and tags of a wheel; no tags for what is no wheel."""
    try:
        _, _, build, tags = parse_wheel_filename(filename)
    except ValueError:  # the base of all that packaging raises, whichever it is in a version
        return (-1, ""), frozenset()
    return build or (-1, ""), tags


def holds(marker: Marker | None, environment: Mapping[str, str]) -> bool:
    """Return whether a marker is true; one that compares what cannot be compared does not count, as with uv."""
    try:
        return marker is None or marker.evaluate(environment, context="lock_file")
    except UndefinedComparison:
        return True


def marker_of(targets: Iterable[Target], among: Iterable[Target]) -> Marker | None:
    """Write a marker that is true on some targets only."""
    chosen = sorted(set(targets))
    if set(chosen) == set(among):
        return None
    if len(chosen) == 1:
        return Marker(chosen[0].marker)
    return Marker(" or ".join(f"({target.marker})" for target in chosen))
