"""Generations on the disk: reading and writing them, and making one the current one."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from venvstacks import files
from venvstacks.deploying.deployment_format import FORMAT, Deployment, Generation
from venvstacks.deploying.launchers import PROGRAMS, STARTS, Launcher
from venvstacks.deploying.places import Home
from venvstacks.documents import DocumentError, Numbered, parse_json
from venvstacks.errors import DeploymentError

DOCUMENT = "generation.json"
"""In a generation's folder, what it consists of."""

_CURRENT = re.compile(r"generations/([1-9][0-9]{0,8})\n?")
_LARGEST = 64 << 20
_REPAIR = "run `venvstacks deploy` again"

_Document = TypeVar("_Document", bound=msgspec.Struct)


class DamagedDocumentError(DeploymentError):
    """A document of a deployment that says nothing."""


def read_deployment(home: Home) -> Deployment | None:
    """Read what a deployment is; None if there is none.

    Raises:
        DeploymentError: What is written there is damaged, or of a newer version.
    """
    return _read(home.document, Deployment, "name the store, channel and applications again to replace it")


def write_deployment(home: Home, deployment: Deployment) -> None:
    """Write what a deployment is, durably."""
    if files.write_text(home.document, files.canonical_json(msgspec.to_builtins(deployment))):
        files.flush_folder(home.folder)


def read_generation(home: Home, number: int) -> Generation:
    """Read a generation.

    Raises:
        DeploymentError: There is no such generation, or what is written there is damaged.
    """
    found = _read(home.generation(number) / DOCUMENT, Generation, _REPAIR)
    if found is None:
        there = ", ".join(map(str, generation_numbers(home))) or "none"
        raise DeploymentError(f"There is no generation {number} in {home.folder}.", hint=f"there are: {there}")
    return found


def generation_numbers(home: Home) -> tuple[int, ...]:
    """Return the numbers of the generations that there are, sorted."""
    try:
        names = [path.name for path in home.generations.iterdir()]
    except FileNotFoundError:
        return ()
    return tuple(sorted(int(name) for name in names if name.isdecimal() and name.isascii()))


def current_number(home: Home) -> int | None:
    """Return the number of the current generation; None if there is none yet.

    Raises:
        DeploymentError: What is written there is damaged.
    """
    try:
        text = home.current.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    found = _CURRENT.fullmatch(text)
    if found is None:
        raise DamagedDocumentError(f"{home.current} is damaged: it names no generation.", hint=_REPAIR)
    return int(found[1])


def read_current(home: Home) -> Generation | None:
    """Read the current generation; None if there is none yet.

    Raises:
        DeploymentError: What is written there is damaged.
    """
    number = current_number(home)
    return None if number is None else read_generation(home, number)


def read_whole_current(home: Home) -> Generation | None:
    """Read the current generation; None if there is none, or nothing is known of it any more."""
    try:
        return read_current(home)
    except DeploymentError:
        return None


def write_generation(home: Home, generation: Generation, launchers: Sequence[tuple[Launcher, Launcher]]) -> None:
    """Write a generation durably; it appears whole or not at all.

    Args:
        home: Whose generation it is.
        generation: What it consists of.
        launchers: For each application, what starts it in this generation, and the part that others use, too.
    """
    home.generations.mkdir(parents=True, exist_ok=True)
    folder = files.temporary_beside(home.generation(generation.number))
    try:
        for name in (PROGRAMS, STARTS):
            (folder / name).mkdir(parents=True)
        text = files.canonical_json(msgspec.to_builtins(generation))
        _write_new(folder / DOCUMENT, text.encode(), executable=False)
        for program, start in launchers:
            _write_new(folder / PROGRAMS / program.name, program.content, executable=True)
            _write_new(folder / STARTS / start.name, start.content, executable=False)
        for place in (folder / PROGRAMS, folder / STARTS, folder):
            files.flush_folder(place)
        folder.replace(home.generation(generation.number))
    except BaseException:
        files.remove_tree(folder)
        raise
    files.flush_folder(home.generations)


def switch(home: Home, number: int) -> None:
    """Make a generation the current one: durable, and at once for whoever starts an application next."""
    files.write_bytes(home.current, f"generations/{number}\n".encode())
    files.flush_folder(home.folder)


def write_programs(folder: Path, launchers: Sequence[Launcher]) -> None:
    """Put launchers into the folder of a deployment's programs."""
    for launcher in launchers:
        place = folder / launcher.name
        try:
            if place.read_bytes() == launcher.content:
                continue
        except OSError:
            pass  # missing, or to be replaced
        with files.atomic_path(place) as temporary:
            _write_new(temporary, launcher.content, executable=True)


def _write_new(path: Path, content: bytes, *, executable: bool) -> None:
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)
    files.flush(path)


def _read(path: Path, kind: type[_Document], hint: str) -> _Document | None:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        form = parse_json(data, Numbered).format
        if form > FORMAT:
            raise DeploymentError(
                f"{path} has format {form}, and this venvstacks knows formats up to {FORMAT}.",
                hint="use the version of venvstacks that wrote it, or a newer one",
            )
        return parse_json(data, kind)
    except DocumentError as error:
        raise DamagedDocumentError(f"{path} is damaged: {error}.", hint=hint) from error
