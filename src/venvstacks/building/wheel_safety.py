"""Wheels that would put files where they do not belong, or that are not what their names say.

uv refuses few of them: it leaves out entries that lead out of its folder and rewrites RECORD without them, makes
a plain file of a symbolic link, installs names that other systems cannot hold, and does not compare tags.
"""

import lzma
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from packaging.tags import InvalidTag, Tag, parse_tag
from packaging.utils import parse_wheel_filename

from venvstacks.errors import BuildError, WheelError
from venvstacks.file_names import folded, parents, windows_problem
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.trees import Entry, EntryKind

_LONGEST_METADATA = 1 << 20
_SHOWN = 5
_DRIVE = re.compile(r"[A-Za-z]:")
_SEPARATORS = re.compile(r"[/\\]")
_LINUX = re.compile(r"(?P<libc>many|musl)?linux(\d+|_\d+_\d+)?_(?P<arch>.+)")
_MACOS = re.compile(r"macosx_\d+_\d+_(?P<arch>.+)")
_FAT = {"universal2": ("arm64", "x86_64"), "universal": ("x86_64",), "intel": ("x86_64",), "fat64": ("x86_64",)}
# What zipfile lets through for content that is damaged, encrypted, or in a compression that it does not know.
_UNREADABLE = (BadZipFile, RuntimeError, EOFError, zlib.error, lzma.LZMAError)
_HINT = "report this to the package's makers, and choose another release of it"


def check_wheel(path: Path, compatibility: Compatibility) -> None:
    """Check a wheel before anything of it is unpacked.

    Args:
        path: A wheel file.
        compatibility: The target it is for.

    Raises:
        WheelError: It holds absolute paths, paths with ``..``, links, an entry twice, names that the target's
            file systems cannot tell apart or cannot hold, or its WHEEL file contradicts its name.
        OSError: It cannot be read.
    """
    try:
        with ZipFile(path) as wheel:
            members = wheel.infolist()
            problems = [problem for member in members if (problem := _member_problem(member))]
            problems += _twice(members)
            names = [(_name(member).rstrip("/"), not _name(member).endswith("/")) for member in members]
            problems += name_problems(names, compatibility)
            problems += tag_problems(path.name, _wheel_metadata(wheel), compatibility)
    except (*_UNREADABLE, ValueError) as error:
        raise WheelError(f"{path.name} is not a wheel: {error}.", hint=_HINT) from error
    if problems:
        raise _refusal(path.name, compatibility, problems)


def check_installed(info: Path, filename: str, compatibility: Compatibility) -> None:
    """Check a wheel that uv has installed: the part of :func:`check_wheel` that can still be seen then.

    Args:
        info: Its ``.dist-info`` folder.
        filename: The wheel's file name.
        compatibility: The target it is for.

    Raises:
        WheelError: Its WHEEL file contradicts its name.
    """
    metadata = (info / "WHEEL").read_text(encoding="utf-8", errors="replace")
    if problems := [*tag_problems(filename, metadata, compatibility)]:
        raise _refusal(filename, compatibility, problems)


def check_names(entries: Iterable[Entry], title: str, compatibility: Compatibility) -> None:
    """Check that the target's file systems can hold all that an unfinished layer holds.

    Args:
        entries: What it holds, of all packages together.
        title: How messages name the layer.
        compatibility: Its target.

    Raises:
        BuildError: Two names differ only in case, or a name cannot exist on Windows.
    """
    names = ((entry.path, entry.kind is not EntryKind.FOLDER) for entry in entries)
    if problems := [*name_problems(names, compatibility)]:
        where = compatibility.target.name
        raise BuildError(
            f"{title[:1].upper()}{title[1:]} cannot be unpacked on {where}:{_listed(problems)}",
            hint="choose other releases of these packages, or other `platforms` for the layer",
        )


def _refusal(filename: str, compatibility: Compatibility, problems: Sequence[str]) -> WheelError:
    return WheelError(f"{filename} is refused for {compatibility.target.name}:{_listed(problems)}", hint=_HINT)


def _listed(problems: Sequence[str]) -> str:
    more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "".join(f"\n  - {problem}" for problem in problems[:_SHOWN]) + more


def _name(member: ZipInfo) -> str:
    """Give an entry's name as it is written in the file."""
    return member.orig_filename


def _member_problem(member: ZipInfo) -> str | None:
    name = _name(member)
    if not name or name.startswith(("/", "\\")) or _DRIVE.match(name):
        return f"the path {name!r} is absolute"
    if ".." in _SEPARATORS.split(name):
        return f"the path {name!r} leads out of its folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return f"{name!r} is a symbolic link"
    return None


def _twice(members: Iterable[ZipInfo]) -> Iterator[str]:
    seen: set[str] = set()
    for name in map(_name, members):
        if name in seen:
            yield f"{name!r} is in it twice"
        seen.add(name)


def name_problems(names: Iterable[tuple[str, bool]], compatibility: Compatibility) -> Iterator[str]:
    """Find names that the target's file systems cannot tell apart or cannot hold.

    Args:
        names: POSIX paths, and whether each is a file; the folders on the way need not be among them.
        compatibility: The target. Linux holds every name.
    """
    if compatibility.target.os == "linux":
        return
    known: dict[str, tuple[str, bool]] = {}
    for name, is_file in names:
        for path, as_file in (*((parent, False) for parent in parents(name)), (name, is_file)):
            other, other_is_file = known.setdefault(folded(path), (path, as_file))
            if other != path and (as_file or other_is_file):
                yield f"{other!r} and {path!r} differ only in case"
        if compatibility.target.is_windows and (problem := windows_problem(name)):
            yield f"{name!r} {problem}"


def _wheel_metadata(wheel: ZipFile) -> str:
    found = [name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name)]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} WHEEL files")
    with wheel.open(found[0]) as file:
        return file.read(_LONGEST_METADATA).decode(errors="replace")


def tag_problems(filename: str, metadata: str, compatibility: Compatibility) -> Iterator[str]:
    """Compare what a wheel says of itself with its file name, and with the target.

    Wheels are renamed by their makers (torch says ``linux_x86_64`` inside and ``manylinux`` in its name,
    playwright says ``any``), so only a contradiction counts: another system or processor, another Python.

    Args:
        filename: The wheel's file name, whose tags fit the target.
        metadata: The text of its WHEEL file.
        compatibility: The target it is for.
    """
    try:
        lines = HeaderParser().parsestr(metadata).get_all("Tag", [])
        own = {tag for line in lines for tag in parse_tag(line.strip())}
    except (InvalidTag, ValueError):
        yield "its WHEEL file has a tag that is none"
        return
    named = parse_wheel_filename(filename)[3]
    if own and not _one_python(own, named):
        yield f"its WHEEL file says {_text(own)}, which is for another Python than its name says"
    elif own and not any(_platform_fits(tag.platform, compatibility) for tag in own):
        yield f"its WHEEL file says {_text(own)}, which is for another platform"


def _text(tags: Iterable[Tag]) -> str:
    return ", ".join(sorted(map(str, tags)))


def _one_python(own: Iterable[Tag], named: Iterable[Tag]) -> bool:
    def agree(ours: set[str], theirs: set[str]) -> bool:
        return not ours or not theirs or bool(ours & theirs)

    def interpreters(tags: Iterable[Tag]) -> set[str]:
        return {tag.interpreter for tag in tags if not tag.interpreter.startswith("py")}

    def abis(tags: Iterable[Tag]) -> set[str]:
        return {tag.abi for tag in tags if tag.abi not in {"none", "abi3"}}

    own, named = [*own], [*named]
    return agree(interpreters(own), interpreters(named)) and agree(abis(own), abis(named))


def _platform_fits(tag: str, compatibility: Compatibility) -> bool:
    target = compatibility.target
    if tag == "any":
        return True
    if found := _LINUX.fullmatch(tag):
        libc = {"many": "glibc", "musl": "musl"}.get(found["libc"], compatibility.libc)
        return (target.os, target.arch, compatibility.libc) == ("linux", found["arch"], libc)
    if found := _MACOS.fullmatch(tag):
        return target.os == "macosx" and target.arch in _FAT.get(found["arch"], (found["arch"],))
    return target.is_windows and tag == f"win_{target.arch}"
