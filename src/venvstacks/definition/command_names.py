"""The commands of packages for which an application gets launchers."""

import re
from dataclasses import dataclass

from venvstacks.definition.names import command_problem
from venvstacks.definition.report import quoted
from venvstacks.definition.tables import Table

_FIELD = "entry_points"
_WILDCARD = re.compile(r"[*?]|\[[^]]+\]")


@dataclass(frozen=True, slots=True)
class EntryPoints:
    """What ``entry_points`` asks for.

    Attributes:
        names: Names of commands and patterns of such names, sorted.
        everything: Whether it is all that the layer's own packages offer instead.
    """

    names: tuple[str, ...] = ()
    everything: bool = False


def is_pattern(name: str) -> bool:
    """Return whether one of the ``entry_points`` stands for all names that it matches."""
    return _WILDCARD.search(name) is not None


def read_entry_points(table: Table) -> EntryPoints:
    """Read an application's ``entry_points``."""
    value = table.values.get(_FIELD, False)
    if isinstance(value, bool):
        return EntryPoints(everything=value)
    seen: dict[str, str] = {}
    for name in value:
        # a pattern may match something if a name that it matches may be one
        if problem := command_problem(_WILDCARD.sub("x", name)):
            table.report.add(_FIELD, problem)
            continue
        folded = name.casefold()
        if folded not in seen:
            seen[folded] = name
        elif seen[folded] == name:
            table.report.add(_FIELD, f"{quoted(name)} is listed twice", "keep one of them")
        else:
            message = f"{quoted(seen[folded])} and {quoted(name)} differ only in case"
            table.report.add(_FIELD, message, "Windows and macOS would take them for one file")
    return EntryPoints(tuple(sorted(seen.values())))
