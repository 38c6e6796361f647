"""The programs of an application: for itself, and for the commands of packages that its definition names."""

import keyword
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, EntryPoints, PathDistribution
from pathlib import Path

from venvstacks.building.installed import Installed, info_folders, name_of
from venvstacks.building.launchers import CONSOLE, GUI, launcher, launcher_of
from venvstacks.building.layer_build import LayerBuild, state_or_empty
from venvstacks.definition.names import command_problem, is_pattern, is_python
from venvstacks.errors import BuildError
from venvstacks.events import Observer, Warned
from venvstacks.humanize import did_you_mean, listed

_REFERENCE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?")
_PROGRAM_ENDINGS = {"", ".exe", ".com", ".bat", ".cmd"}
_HINT = "list the commands that the layer should have: entry_points = [...]"

_Offers = Mapping[str, Sequence[tuple[str, EntryPoint]]]
"""Name -> the packages that offer the command, with their entry points; of several, the last one counts."""


def add_launchers(
    build: LayerBuild,
    staging: Path,
    installed: Installed,
    below: Sequence[LayerBuild],
    observe: Observer,
) -> str:
    """Put launchers of what the definition asks for into an unfinished layer, and one of an application itself.

    The path of the latter is returned, relative to the layer; empty if there is none.
    """
    offers = _offers((each.name, each.entry_points) for each in installed)
    wanted: Mapping[str, Sequence[tuple[str, EntryPoint]] | Path] = {}
    if build.layer.all_entry_points:
        if not offers:
            observe(Warned(f"{build.headline} has entry_points = true, but its own packages offer no command."))
        wanted = offers
    elif build.layer.entry_points:
        wanted = _find_named(build, staging, offers, below)
    for _, found in sorted(wanted.items()):
        if not isinstance(found, Path):
            point = _choose_command(build, found, observe)
            path, is_written = _write_launcher(build, staging, point)
            if not is_written:
                raise BuildError(
                    f"{build.headline} cannot have a launcher of {point.name!r}: "
                    f"a package brings the program {path}.",
                    hint=f"use that program as it is; {_HINT}",
                )
        elif build.target.is_windows and not found.is_relative_to(staging):  # elsewhere there is a link to it
            shutil.copyfile(found, staging / build.layout.scripts / found.name)
    return _add_application(build, staging, observe) if build.layer.launch_module else ""


def _add_application(build: LayerBuild, staging: Path, observe: Observer) -> str:
    problem = command_problem(build.layer.name, windows=build.target.is_windows)
    if not problem:
        path, is_written = _write_launcher(build, staging, launcher_of(build.layer))
        if is_written:
            return path
        problem = f"{path} belongs to a package"
    observe(Warned(f"{build.headline} has no launcher for its launch module: {problem}."))
    return ""


def _offers(packages: Iterable[tuple[str, EntryPoints]]) -> _Offers:
    """Find the commands that packages offer.

    As of files that several packages bring, the one of the last package by name counts.
    """
    found: dict[str, list[tuple[str, EntryPoint]]] = {}
    for name, points in sorted(dict(packages).items()):
        for group in (GUI, CONSOLE):
            for point in points.select(group=group):
                found.setdefault(point.name, []).append((name, point))
    return found


def _programs(build: LayerBuild, files: Iterable[str]) -> dict[str, str]:
    """Name the programs among the files of a layer: name -> path relative to the layer."""
    programs = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        name = name.removesuffix(".exe") if build.target.is_windows else name
        if folder == build.layout.scripts and not is_python(name):
            programs[name] = path
    return programs


def _find_named(
    build: LayerBuild, staging: Path, offers: _Offers, below: Sequence[LayerBuild]
) -> Mapping[str, Sequence[tuple[str, EntryPoint]] | Path]:
    """Return who offers what the definition names; the first layer of the path that has it counts."""
    known: dict[str, Sequence[tuple[str, EntryPoint]] | Path] = {}
    for lower in reversed(below):
        known |= {
            name: lower.folder / path for name, path in _programs(lower, state_or_empty(lower).data.files).items()
        }
        infos = info_folders(lower.folder / lower.layout.site)
        known |= _offers((name_of(info), PathDistribution(info).entry_points) for info in infos)
    own = (f"{build.layout.scripts}/{path.name}" for path in (staging / build.layout.scripts).iterdir())
    known |= {name: staging / path for name, path in _programs(build, own).items()}
    known |= offers
    meant = {wanted: _match_names(wanted, known) for wanted in build.layer.entry_points}
    if unknown := [wanted for wanted, names in meant.items() if not names]:
        near = [hint for name in unknown if (hint := did_you_mean(name, known))]
        there = f"there are: {listed(sorted(known))}" if known else "they offer none at all"
        raise BuildError(
            f"{build.headline} for {build.target.name} asks for launchers of {listed(unknown)}, "
            "but its packages and those of the layers below offer no such command.",
            hint=" ".join([*near, there]),
        )
    return {name: known[name] for names in meant.values() for name in names}


def _match_names(wanted: str, known: Collection[str]) -> list[str]:
    """Return the names that one of the ``entry_points`` stands for."""
    if not is_pattern(wanted):
        return [wanted] if wanted in known else []
    return [name for name in known if fnmatchcase(name, wanted) and not command_problem(name)]


def offered_commands(installed: Installed) -> dict[str, str]:
    """Return the commands that installed packages offer, each with what decides its launcher."""
    offers = _offers((each.name, each.entry_points) for each in installed)
    points = {name: found[-1][1] for name, found in sorted(offers.items())}
    return {name: f"{point.group}: {point.value}" for name, point in points.items()}


def chosen_commands(build: LayerBuild, below: Sequence[LayerBuild]) -> dict[str, str]:
    """Return what the definition names of what a layer and those below it have, with what decides each."""
    if not build.layer.entry_points:
        return {}  # as of most layers: there is no need to look through all data
    known: dict[str, str] = {}
    for each in reversed((build, *below)):
        data = state_or_empty(each).data
        for name, file in _programs(each, data.files).items():
            known[name] = data.files[file] if build.target.is_windows else "a program"
        known |= data.commands
    names = {name for wanted in build.layer.entry_points for name in _match_names(wanted, known)}
    return {name: known[name] for name in names}


def _choose_command(build: LayerBuild, offers: Sequence[tuple[str, EntryPoint]], observe: Observer) -> EntryPoint:
    """Choose among those who offer one command, and check that it can have a launcher."""
    package, point = offers[-1]
    others = sorted({other for other, _ in offers} - {package})
    if others:
        names = f"{listed(others)} and {package!r}"
        observe(
            Warned(f"Packages {names} of {build.layer.title} offer the command {point.name!r}: {package!r} wins.")
        )
    if problem := command_problem(point.name):
        raise BuildError(
            f"{build.headline} cannot have a launcher of a command of package {package!r}: {problem}.", hint=_HINT
        )
    reference = _REFERENCE.fullmatch(point.value.strip())
    parts = f"{reference['module']}.{reference['attribute']}".split(".") if reference else []
    if reference is None or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise BuildError(
            f"{build.headline} cannot have a launcher of {point.name!r}: package {package!r} says that it is "
            f"{point.value!r}, which is not MODULE:OBJECT.",
            hint=_HINT if build.layer.all_entry_points else "remove it from entry_points",
        )
    return EntryPoint(point.name, f"{reference['module']}:{reference['attribute']}", point.group)


def _write_launcher(build: LayerBuild, staging: Path, point: EntryPoint) -> tuple[str, bool]:
    """Write a launcher, unless a program has its name; return the path of either, and whether it is written."""
    name, content = launcher(point, build.target, build.configuration)
    programs = staging / build.layout.scripts
    if taken := _find_taken(programs, name, on_windows=build.target.is_windows):
        return f"{build.layout.scripts}/{taken}", False
    (programs / name).write_bytes(content)
    (programs / name).chmod(0o755)
    return f"{build.layout.scripts}/{name}", True


def _find_taken(programs: Path, name: str, *, on_windows: bool) -> str:
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
