"""What a layer depends on: its runtime, and the frameworks below it in path order."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from venvstacks.definition.stack import LayerKind, PythonRequest
from venvstacks.definition.tables import Report, Table
from venvstacks.humanize import did_you_mean, listed, quoted
from venvstacks.platforms.compatibility import Compatibility

Item = TypeVar("Item", bound=Hashable)
Names = Mapping[LayerKind, Sequence[str | None]]
"""All layers of the file by kind; None for one without a usable name, which any reference may mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """What the layers above may need to know of a layer while a file is checked.

    A part that a problem hides is None. Checks of the layers above leave out what they cannot know, so that one
    mistake is reported once. ``below`` has the frameworks in path order, then the runtime; ``own_indexes`` is what
    the layer assigns itself.
    """

    kind: LayerKind
    name: str
    below: "tuple[Draft, ...] | None"
    python: PythonRequest | None
    compatibilities: tuple[Compatibility, ...] | None
    own_indexes: Mapping[str, str]

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.kind.value} {quoted(self.name)}"


Drafts = dict[tuple[LayerKind, str], Draft]
"""The layers that have been read so far."""


def find_below(kind: LayerKind, table: Table, drafts: Drafts, names: Names) -> tuple[Draft, ...] | None:
    """Resolve the references of a framework or application."""
    if {"runtime", "frameworks"} <= table.given:
        message = "is set beside 'frameworks'; expected exactly one of the two"
        table.report.add("runtime", message, "remove 'runtime': the frameworks depend on it")
        return None
    if "frameworks" in table.given:
        return _frameworks(kind, table, drafts, names)
    if "runtime" not in table.given:
        table.report.add(None, "has neither 'runtime' nor 'frameworks'; expected exactly one of the two")
    name = table.text("runtime")
    if name is None:
        return None
    if (LayerKind.RUNTIME, name) not in drafts:
        _report_unknown(LayerKind.RUNTIME, name, "runtime", table.report, names)
        return None
    return (drafts[LayerKind.RUNTIME, name],)


def _frameworks(kind: LayerKind, table: Table, drafts: Drafts, names: Names) -> tuple[Draft, ...] | None:
    report, named = table.report, table.texts("frameworks")
    if table.unusable("frameworks"):
        return None
    if not named:
        message = "is empty; expected at least one framework"
        report.add("frameworks", message, 'or name a runtime: runtime = "..."')
        return None
    if doubled := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
        report.add("frameworks", f"names {listed(doubled)} more than once")
        return None
    bases = []
    for name in named:
        if draft := drafts.get((LayerKind.FRAMEWORK, name)):
            bases.append(draft)
        elif kind is LayerKind.FRAMEWORK and name == table.text("name"):
            report.add("frameworks", f"names {quoted(name)}, which is this layer itself")
        else:
            _report_unknown(LayerKind.FRAMEWORK, name, "frameworks", report, names)
    return _join(bases, report) if len(bases) == len(named) else None


def _report_unknown(kind: LayerKind, name: str, field: str, report: Report, names: Names) -> None:
    other = LayerKind.FRAMEWORK if kind is LayerKind.RUNTIME else LayerKind.RUNTIME
    if name in names[kind]:
        message = f"names {kind.value} {quoted(name)}, which is defined further down in the file"
        report.add(field, message, "move it up: a layer depends on layers before it")
    elif name in names[other]:
        line = f'{other.value} = "{name}"' if other is LayerKind.RUNTIME else f'frameworks = ["{name}"]'
        message = f"names {quoted(name)}, which is a {other.value}, not a {kind.value}"
        report.add(field, message, f"write: {line}")
    elif None not in names[kind]:
        known = [each for each in names[kind] if each is not None]
        near = did_you_mean(name.removeprefix(kind.prefix), known)
        hint = near or (f"there are: {listed(known)}" if known else f"the file defines no {kind.value}")
        report.add(field, f"names {quoted(name)}, but there is no such {kind.value}", hint)


def _join(bases: Sequence[Draft], report: Report) -> tuple[Draft, ...] | None:
    below = {base: base.below for base in bases if base.below is not None}
    if len(below) < len(bases):
        return None  # a framework below has a problem of its own
    runtimes = {lower[-1] for lower in below.values()}
    if len(runtimes) > 1:
        found = ", ".join(f"{quoted(base.name)} on {quoted(lower[-1].name)}" for base, lower in below.items())
        report.add("frameworks", f"must all depend on the same runtime; found {found}")
        return None
    try:
        return (*linearise(bases, {base: lower[:-1] for base, lower in below.items()}), *runtimes)
    except InconsistentOrderError as error:
        longer = (items for items in error.sequences if len(items) > 1)  # one item alone contradicts nothing
        sequences = "; ".join(" before ".join(quoted(item.name) for item in items) for items in longer)
        report.add(
            "frameworks",
            f"the frameworks cannot be brought into one order, because these contradict each other: {sequences}",
            "name the frameworks in the same order everywhere",
        )
        return None


class InconsistentOrderError(ValueError):
    """Sequences that contradict each other: what was left to merge when no item could come next."""

    def __init__(self, sequences: Sequence[Sequence[Any]]) -> None:
        super().__init__(f"no common order of {sequences}")
        self.sequences = sequences


def linearise(bases: Sequence[Item], linearisations: Mapping[Item, Sequence[Item]]) -> tuple[Item, ...]:
    """Bring everything below an item into one order, as Python does with the bases of a class (C3)."""
    left = [*((base, *linearisations[base]) for base in bases), tuple(bases)]
    merged: list[Item] = []
    while left := [sequence for sequence in left if sequence]:
        behind = {item for sequence in left for item in sequence[1:]}
        head = next((sequence[0] for sequence in left if sequence[0] not in behind), None)
        if head is None:
            raise InconsistentOrderError(tuple(dict.fromkeys(left)))
        merged.append(head)
        left = [sequence[1:] if sequence[0] == head else sequence for sequence in left]
    return tuple(merged)
