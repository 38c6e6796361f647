"""The programs of an application: for itself, and for the commands of packages that its definition names."""

import keyword
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path

from packaging.utils import canonicalize_name

from venvstacks.building.build_plan import LayerBuild
from venvstacks.building.launchers import Command, launcher
from venvstacks.building.records import info_folders
from venvstacks.building.showing import Data
from venvstacks.definition.command_names import is_pattern
from venvstacks.definition.names import command_problem, is_python
from venvstacks.definition.report import did_you_mean, listed
from venvstacks.errors import BuildError
from venvstacks.events import Observer, Warned

_CONSOLE, _GUI = "console_scripts", "gui_scripts"
_REFERENCE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?")
_PROGRAM_ENDINGS = {"", ".exe", ".com", ".bat", ".cmd"}
_WAY_OUT = "list the commands that the layer shall have: entry_points = [...]"


@dataclass(frozen=True, slots=True)
class _Offer:
    """An entry point that may become a command.

    Attributes:
        package: Normalised name of the package that has it.
        point: The entry point.
    """

    package: str
    point: EntryPoint


_Offers = Mapping[str, Sequence[_Offer]]
"""Name -> who offers the command; of several, the last one counts."""


def add_launchers(
    build: LayerBuild, staging: Path, below: Sequence[tuple[LayerBuild, Data]], observe: Observer
) -> str:
    """Put launchers of what the definition asks for into an unfinished layer, and one of an application itself."""
    if build.layer.all_entry_points:
        offers = _offers(staging / build.layout.site)
        if not offers:
            observe(Warned(f"{build.headline} has entry_points = true, but its own packages offer no command."))
        _add_commands(build, staging, offers, observe)
    elif build.layer.entry_points:
        _add_commands(build, staging, _named(build, staging, below), observe)
    if build.layer.launch_module is None:
        return ""
    return _add_application(build, staging, build.layer.launch_module.name, observe)


def _add_commands(
    build: LayerBuild, staging: Path, wanted: "Mapping[str, Sequence[_Offer] | Path]", observe: Observer
) -> None:
    for _, offers in sorted(wanted.items()):
        if not isinstance(offers, Path):
            _add(build, staging, _command(build, offers, observe))
        elif build.target.is_windows and not offers.is_relative_to(staging):  # elsewhere there is a link to it
            shutil.copyfile(offers, staging / build.layout.scripts / offers.name)


def _add_application(build: LayerBuild, staging: Path, module: str, observe: Observer) -> str:
    name, content = launcher(Command(build.layer.name, module, "", is_gui=False), build.starting)
    programs = staging / build.layout.scripts
    problem = command_problem(build.layer.name, windows=build.target.is_windows)
    if taken := "" if problem else _taken(programs, name, on_windows=build.target.is_windows):
        problem = f"{build.layout.scripts}/{taken} belongs to a package"
    if problem:
        observe(Warned(f"{build.headline} has no launcher for its launch module: {problem}."))
        return ""
    _write(programs / name, content)
    return f"{build.layout.scripts}/{name}"


def _offers(site: Path) -> _Offers:
    """Find the commands that the packages in a folder offer.

    As of files that several packages bring, the one of the last package by name counts.
    """
    found: dict[str, list[_Offer]] = {}
    packages = [PathDistribution(info) for info in info_folders(site)]
    by_name = {canonicalize_name(package.metadata["Name"]): package for package in packages}
    for name, package in sorted(by_name.items()):
        for group in (_GUI, _CONSOLE):
            for point in package.entry_points.select(group=group):
                found.setdefault(point.name, []).append(_Offer(name, point))
    return found


def _programs(build: LayerBuild, paths: Iterable[Path]) -> dict[str, Path]:
    """Name the programs among the files in a layer's folder for them."""
    programs = {path.name.removesuffix(".exe") if build.target.is_windows else path.name: path for path in paths}
    return {name: path for name, path in programs.items() if not is_python(name)}


def _named(
    build: LayerBuild, staging: Path, below: Sequence[tuple[LayerBuild, Data]]
) -> "Mapping[str, Sequence[_Offer] | Path]":
    """Return who offers what the definition names; the first layer of the path that has it counts."""
    known: dict[str, Sequence[_Offer] | Path] = {}
    for lower, data in reversed(below):
        files = (path for path in data.files if path.rpartition("/")[0] == lower.layout.scripts)
        known |= _programs(lower, (lower.folder / path for path in files))
        known |= _offers(lower.folder / lower.layout.site)
    known |= _programs(build, (staging / build.layout.scripts).iterdir())
    known |= _offers(staging / build.layout.site)
    meant = {wanted: _meant(wanted, known) for wanted in build.layer.entry_points}
    if unknown := [wanted for wanted, names in meant.items() if not names]:
        near = [hint for name in unknown if (hint := did_you_mean(name, known))]
        there = f"there are: {listed(sorted(known))}" if known else "they offer none at all"
        raise BuildError(
            f"{build.headline} for {build.target.name} asks for launchers of {listed(unknown)}, "
            "but its packages and those of the layers below offer no such command.",
            hint=" ".join([*near, there]),
        )
    return {name: known[name] for names in meant.values() for name in names}


def _meant(wanted: str, known: Collection[str]) -> list[str]:
    """Return the names that one of the ``entry_points`` stands for."""
    if not is_pattern(wanted):
        return [wanted] if wanted in known else []
    return [name for name in known if fnmatchcase(name, wanted) and not command_problem(name)]


def offered_commands(site: Path) -> dict[str, str]:
    """Return the commands that the packages in a folder offer, each with what decides its launcher."""
    points = {name: offers[-1].point for name, offers in sorted(_offers(site).items())}
    return {name: f"{point.group}: {point.value}" for name, point in points.items()}


def chosen_commands(build: LayerBuild, path: Sequence[Data]) -> dict[str, str]:
    """Return what the definition names of what a layer and those below it have, with what decides each."""
    known: dict[str, str] = {}
    for data in reversed(path):
        files = {Path(file): digest for file, digest in data.files.items()}
        folder = Path(build.layout.scripts)
        programs = _programs(build, (file for file in files if file.parent == folder))
        known |= {name: files[file] if build.target.is_windows else "a program" for name, file in programs.items()}
        known |= data.commands
    names = {name for wanted in build.layer.entry_points for name in _meant(wanted, known)}
    return {name: known[name] for name in names}


def _command(build: LayerBuild, offers: Sequence[_Offer], observe: Observer) -> Command:
    """Choose among those who offer one command, and check that it can have a launcher."""
    package, point = offers[-1].package, offers[-1].point
    others = sorted({offer.package for offer in offers} - {package})
    if others:
        names = f"{listed(others)} and {package!r}"
        observe(
            Warned(f"Packages {names} of {build.layer.title} offer the command {point.name!r}: {package!r} wins.")
        )
    if problem := command_problem(point.name):
        raise BuildError(
            f"{build.headline} cannot have a launcher of a command of package {package!r}: {problem}.",
            hint=_WAY_OUT,
        )
    reference = _REFERENCE.fullmatch(point.value.strip())
    parts = f"{reference['module']}.{reference['attribute']}".split(".") if reference else []
    if reference is None or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise BuildError(
            f"{build.headline} cannot have a launcher of {point.name!r}: package {package!r} says that it is "
            f"{point.value!r}, which is not MODULE:OBJECT.",
            hint=_WAY_OUT if build.layer.all_entry_points else "take it out of entry_points",
        )
    return Command(point.name, reference["module"], reference["attribute"], point.group == _GUI)


def _add(build: LayerBuild, staging: Path, command: Command) -> None:
    name, content = launcher(command, build.starting)
    programs = staging / build.layout.scripts
    taken = _taken(programs, name, on_windows=build.target.is_windows)
    if taken:
        raise BuildError(
            f"{build.headline} cannot have a launcher of {command.name!r}: a package brings the program "
            f"{build.layout.scripts}/{taken}.",
            hint=f"that program can be used as it is; {_WAY_OUT}",
        )
    _write(programs / name, content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


def _taken(programs: Path, name: str, *, on_windows: bool) -> str:
    """Return what has a launcher's name already, or on Windows could be meant by it; empty if nothing has."""
    if os.path.lexists(programs / name):
        return name
    if not on_windows:
        return ""
    stem = name.removesuffix(".exe").casefold()
    for path in sorted(programs.iterdir()):
        other, ending = os.path.splitext(path.name.casefold())  # noqa: PTH122 - both at once
        if other == stem and ending in _PROGRAM_ENDINGS:
            return path.name
    return ""
