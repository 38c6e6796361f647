"""Judge the native files of a layer: what its target could load must run there.

Packages carry native files for platforms they are not installed on: setuptools has Windows launchers
everywhere, debugpy and selenium have helpers for every system in one wheel. They choose by name when they run,
so such files hurt nobody. What must be right is what somebody *promised* to be right. The rule:

1. Only programs and libraries are judged. Object files, static libraries, code for graphics processors (CUDA
   cubins are ELF files), firmware and .NET assemblies are data here.
2. A file that the target can load (format, architecture, word size, C library) must need no newer glibc or
   macOS than the layer allows, if it is in the layer's folder of programs, or its wheel is for a platform,
   or it is the base Python's. A wheel for any platform promises no version: debugpy's newest helpers are for
   newer systems than most layers.
3. A file that it cannot load breaks the rule if it was promised for the target, which it is if the target's loader
   would take it for its own (it is of the target's format, or has the name of a library there: ``.so``,
   ``.dylib``, ``.pyd``, ``.dll``) **and** the first of these that applies says so:

   a. words in its path: ``attach_x86.dll`` is promised for another processor only, and
      ``x.cpython-312-aarch64-linux-gnu.so`` for this one, so it must not be for another;
   b. it is in the layer's folder of programs, or at the layer's top;
   c. its wheel: one for a platform promises, one for any platform does not, the base Python does. Programs for
      other processors that Windows emulates are promised by (a) and (b) only.

4. A wheel for a platform that has native files, but none that the target can load, is for something else,
   whatever its files are called.
5. A damaged file breaks the rule if it was promised.

What breaks the rule is an error where the layer is certainly of no use with it; elsewhere it is a finding.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from venvstacks.binaries.identify import (
    describe_allowed,
    describe_images,
    excess,
    fitting,
    own_format,
    read_binary,
)
from venvstacks.binaries.native_image import Format, Image, Kind
from venvstacks.binaries.path_hints import names_target
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import BinariesError, BinaryFormatError
from venvstacks.findings import Finding
from venvstacks.humanize import bullets, counted, some_of
from venvstacks.platforms.compatibility import Compatibility

_NEVER_NATIVE = (".py", ".pyi", ".pyc", ".h", ".hpp", ".txt", ".md", ".json", ".toml", ".csv", ".html", ".js")
_SMALLEST = 28  # bytes: the header of a 32-bit Mach-O image, the shortest of all
_LIBRARIES = {"linux": (".so",), "macosx": (".so", ".dylib"), "win": (".pyd", ".dll")}
_EMULATED = {"amd64": {"i686"}, "arm64": {"i686", "amd64"}}
_PROGRAM_FOLDERS = ("bin/", "Scripts/")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a file of a layer comes from.

    Attributes:
        name: For messages: a distribution with its version, ``the base Python``, ``the layer itself``.
        promises: Whether it is made for one platform: a wheel with platform tags, the base Python.
        is_base: Whether it is the base Python.
    """

    name: str
    promises: bool
    is_base: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A native file of a layer.

    Attributes:
        path: POSIX path relative to the layer.
        owner: Where it comes from.
        images: What it is; none if it is damaged.
        damage: What is wrong with it.
    """

    path: str
    owner: Owner
    images: tuple[Image, ...] = ()
    damage: BinaryFormatError | None = None

    @property
    def format(self) -> str:
        """What it is by its first bytes."""
        return self.damage.kind if self.damage else self.images[0].format

    @property
    def loadable(self) -> tuple[Image, ...]:
        """The images that a process could load."""
        return tuple(image for image in self.images if image.is_loadable)


@dataclass(frozen=True, slots=True)
class Violation:
    """A native file that does not run on the target.

    Attributes:
        path: POSIX path relative to the layer.
        package: Where it comes from.
        found: What it is or needs.
        allowed: What it would have to be, or might need at most.
        is_certain: Whether the layer is of no use with it: it is the base Python's, nothing of its package can be
            loaded, or it was promised and is damaged or for another architecture. Otherwise it may be a variant
            that nobody asks for on such systems.
    """

    path: str
    package: str
    found: str
    allowed: str
    is_certain: bool = True

    def __str__(self) -> str:
        return f"{self.path} ({self.package}): {self.found}; allowed: {self.allowed}"


def find_binaries(entries: Iterable[Entry], folder: Path, owner_of: Callable[[str], Owner]) -> tuple[Found, ...]:
    """Read the native files among some entries, in their order; links are judged where they lead to."""
    top = os.fspath(folder)
    found = []
    for entry in entries:
        if entry.type is not EntryKind.FILE or entry.size < _SMALLEST or entry.path.endswith(_NEVER_NATIVE):
            continue
        try:
            if images := read_binary(f"{top}/{entry.path}"):
                found.append(Found(entry.path, owner_of(entry.path), images))
        except BinaryFormatError as error:
            found.append(Found(entry.path, owner_of(entry.path), damage=error))
    return tuple(found)


def judge(found: Iterable[Found], compatibility: Compatibility) -> tuple[Violation, ...]:
    """Find the files that break the rule, package by package."""
    by_owner: dict[Owner, list[Found]] = {}
    for item in found:
        if item.damage or item.loadable:
            by_owner.setdefault(item.owner, []).append(item)
    return tuple(
        violation for owner, items in by_owner.items() for violation in _judge_owner(owner, items, compatibility)
    )


def _judge_owner(owner: Owner, items: list[Found], compatibility: Compatibility) -> Iterator[Violation]:
    images = {item.path: fitting(item.images, compatibility) for item in items}
    nothing_fits = owner.promises and not any(images.values())
    too_new = {path: found for path, image in images.items() if image and (found := excess(image, compatibility))}
    all_too_new = len(too_new) == sum(image is not None for image in images.values())
    for item in items:
        if found := too_new.get(item.path):
            if owner.promises or _is_among_programs(item):
                yield Violation(item.path, owner.name, *found, owner.is_base or (owner.promises and all_too_new))
        elif images[item.path] is None and (nothing_fits or _promised(item, compatibility)):
            is_useless = item.format == own_format(compatibility) and not _is_for_target(item, compatibility)
            is_certain = owner.is_base or nothing_fits or is_useless
            what = f"damaged: {item.damage.reason}" if item.damage else describe_images(item.images)
            yield Violation(item.path, owner.name, what, describe_allowed(compatibility), is_certain)


def _is_among_programs(item: Found) -> bool:
    """Whether a file is in the layer's folder of programs, or at its top as a Windows runtime's own are."""
    return item.path.startswith(_PROGRAM_FOLDERS) or "/" not in item.path


def _promised(item: Found, compatibility: Compatibility) -> bool:
    name = item.path.rpartition("/")[2].rstrip(".0123456789")
    if item.format != own_format(compatibility) and not name.endswith(_LIBRARIES[compatibility.target.os]):
        return False
    named = names_target(item.path.rpartition("/site-packages/")[2], compatibility)
    if named is False:
        return False
    if _is_among_programs(item) or (named and not _is_for_target(item, compatibility)):
        return True
    return item.owner.promises and not _is_emulated(item, compatibility)


def _is_for_target(item: Found, compatibility: Compatibility) -> bool:
    """Whether a file is what a path with the target's words says: paths seldom name the C library."""
    is_own = item.format == own_format(compatibility)
    return is_own and any(image.architecture == compatibility.target.arch for image in item.loadable)


def _is_emulated(item: Found, compatibility: Compatibility) -> bool:
    emulated = _EMULATED.get(compatibility.target.arch, set())
    return (
        not item.damage
        and item.format is Format.PE
        and all(i.linkage.kind is Kind.PROGRAM and i.architecture in emulated for i in item.loadable)
    )


def binaries_error(headline: str, compatibility: Compatibility, violations: Sequence[Violation]) -> BinariesError:
    """Describe what is wrong with a layer; the message begins with ``headline``."""
    listed = bullets(map(str, violations), _SHOWN)
    return BinariesError(
        f"{headline} for {compatibility.describe()} holds "
        f"{counted(len(violations), 'native file')} that cannot be used there:{listed}",
        hint=f"{_raise(compatibility)}choose other releases of these packages or other `platforms`; "
        "--no-check-binaries builds the layer as it is",
    )


def violation_findings(
    layer: str, compatibility: Compatibility, violations: Iterable[Violation]
) -> Iterator[Finding]:
    """Describe what may be wrong with a layer, one finding for each package."""
    by_package: dict[str, list[Violation]] = {}
    for violation in violations:
        by_package.setdefault(violation.package, []).append(violation)
    for package, found in by_package.items():
        listed = some_of((f"{each.path} ({each.found})" for each in found), 2)
        yield Finding(
            layer,
            compatibility.target.name,
            package,
            f"has {counted(len(found), 'native file')} that {compatibility.describe()} cannot load: {listed}",
            f"if they are used there, {_raise(compatibility)}choose another release",
        )


def _raise(compatibility: Compatibility) -> str:
    limits = {"linux": "raise `linux_target` or ", "macosx": "raise `macosx_target` or "}
    return limits.get(compatibility.target.os, "")
