"""Wheels that would put files where they do not belong, and names that a target cannot hold.

uv refuses few of them: it leaves out entries that lead out of its folder and rewrites RECORD without them, makes
a plain file of a symbolic link, and installs names that other systems cannot hold. What a WHEEL file says of
Pythons and platforms is no reason to refuse one: makers rename their wheels (torch says ``linux_x86_64`` inside,
bpy another Python), installers go by the name, and the native files tell the truth.
"""

import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from venvstacks.building.layer_build import LayerBuild
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import BuildError, WheelError
from venvstacks.file_names import folded, parents, windows_problem
from venvstacks.humanize import bullets
from venvstacks.platforms.compatibility import Compatibility

_SHOWN = 5
_DRIVE = re.compile(r"[A-Za-z]:")
_SEPARATORS = re.compile(r"[/\\]")
_HINT = "report this to the package's maintainers, and choose another release of it"


def check_wheel(path: Path, compatibility: Compatibility) -> None:
    """Check a wheel by its list of contents, before anything of it is part of a layer."""
    try:
        with ZipFile(path) as wheel:
            members = wheel.infolist()
    # NotImplementedError: an entry says that reading it takes a newer version of the format than zipfile knows
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise WheelError(f"{path.name} is not a wheel: {error}.", hint=_HINT) from error
    problems = [problem for member in members if (problem := _member_problem(member))]
    names = ((member.orig_filename.rstrip("/"), not member.orig_filename.endswith("/")) for member in members)
    if problems := [*problems, *name_problems(names, compatibility)]:
        where = compatibility.target.name
        raise WheelError(f"{path.name} is refused for {where}:{bullets(problems, _SHOWN)}", hint=_HINT)


def check_names(entries: Iterable[Entry], build: LayerBuild) -> None:
    """Check that the target's file systems can hold all that an unfinished layer holds."""
    names = ((entry.path, entry.type is not EntryKind.FOLDER) for entry in entries)
    if problems := [*name_problems(names, build.compatibility)]:
        raise BuildError(
            f"{build.headline} cannot be unpacked on {build.target.name}:{bullets(problems, _SHOWN)}",
            hint="choose other releases of these packages, or other `platforms` for the layer",
        )


def _member_problem(member: ZipInfo) -> str | None:
    name = member.orig_filename  # as it is written in the file
    if not name or name.startswith(("/", "\\")) or _DRIVE.match(name):
        return f"the path {name!r} is absolute"
    if ".." in _SEPARATORS.split(name):
        return f"the path {name!r} leads out of its folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return f"{name!r} is a symbolic link"
    return None


def name_problems(names: Iterable[tuple[str, bool]], compatibility: Compatibility) -> Iterator[str]:
    """Find names that the target's file systems cannot distinguish or cannot hold."""
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
