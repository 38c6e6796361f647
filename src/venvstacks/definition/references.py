"""Where a layer stands: its runtime, and the frameworks below it in path order."""

from collections.abc import Sequence

from venvstacks.definition.c3 import InconsistentOrderError, linearise
from venvstacks.definition.drafts import Catalogue, Draft, Place
from venvstacks.definition.report import Report, did_you_mean, listed, quoted
from venvstacks.definition.stack import LayerKind
from venvstacks.definition.tables import Table


def find_place(kind: LayerKind, table: Table, catalogue: Catalogue) -> Place | None:
    """Resolve the references of a framework or application."""
    given = {"runtime", "frameworks"} & table.given
    if len(given) != 1:
        _report_foundations(bool(given), table.report)
        return None
    if given == {"runtime"}:
        return _on_runtime(table, catalogue)
    return _on_frameworks(kind, table, catalogue)


def _report_foundations(both: bool, report: Report) -> None:  # noqa: FBT001 - one of two messages
    if both:
        report.add(
            "runtime",
            "stands beside 'frameworks'; expected exactly one of the two",
            "remove 'runtime': the frameworks stand on it",
        )
    else:
        report.add(None, "has neither 'runtime' nor 'frameworks'; expected exactly one of the two")


def _on_runtime(table: Table, catalogue: Catalogue) -> Place | None:
    name = table.text("runtime")
    if name is None:
        return None
    if catalogue.find(LayerKind.RUNTIME, name) is None:
        _report_unknown(LayerKind.RUNTIME, name, "runtime", table, catalogue)
        return None
    return Place(name)


def _on_frameworks(kind: LayerKind, table: Table, catalogue: Catalogue) -> Place | None:
    if table.unusable("frameworks"):
        return None
    names = table.texts("frameworks")
    if not names:
        table.report.add(
            "frameworks", "is empty; expected at least one framework", 'or name a runtime: runtime = "..."'
        )
        return None
    doubled = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if doubled:
        table.report.add("frameworks", f"names {listed(doubled)} more than once")
        return None
    found = {name: catalogue.find(LayerKind.FRAMEWORK, name) for name in names}
    for name in (name for name, draft in found.items() if draft is None):
        own = kind is LayerKind.FRAMEWORK and name == table.text("name")
        if own:
            table.report.add("frameworks", f"names {quoted(name)}, which is this layer itself")
        else:
            _report_unknown(LayerKind.FRAMEWORK, name, "frameworks", table, catalogue)
    bases = [draft for draft in found.values() if draft is not None]
    return _joined(bases, table.report) if len(bases) == len(names) else None


def _report_unknown(kind: LayerKind, name: str, field: str, table: Table, catalogue: Catalogue) -> None:
    other = LayerKind.FRAMEWORK if kind is LayerKind.RUNTIME else LayerKind.RUNTIME
    if name in catalogue.names(kind):
        message = f"names {kind.value} {quoted(name)}, which stands further down in the file"
        table.report.add(field, message, "move it up: a layer stands on layers before it")
    elif name in catalogue.names(other):
        line = f'{other.value} = "{name}"' if other is LayerKind.RUNTIME else f'frameworks = ["{name}"]'
        table.report.add(
            field, f"names {quoted(name)}, which is a {other.value}, not a {kind.value}", f"write: {line}"
        )
    elif not catalogue.has_nameless(kind):
        known = catalogue.names(kind)
        near = did_you_mean(name.removeprefix(kind.prefix), known)
        hint = near or (f"there are: {listed(known)}" if known else f"the file defines no {kind.value}")
        table.report.add(field, f"names {quoted(name)}, but there is no such {kind.value}", hint)


def _joined(bases: Sequence[Draft], report: Report) -> Place | None:
    places = {base.name: base.place for base in bases if base.place is not None}
    if len(places) < len(bases):
        return None  # a framework below has a problem of its own
    runtimes = {place.runtime for place in places.values()}
    if len(runtimes) > 1:
        found = ", ".join(f"{quoted(name)} on {quoted(place.runtime)}" for name, place in places.items())
        report.add("frameworks", f"must all stand on the same runtime; found {found}")
        return None
    orders = {name: place.frameworks for name, place in places.items()}
    try:
        return Place(runtimes.pop(), linearise(tuple(orders), orders))
    except InconsistentOrderError as error:
        longer = (items for items in error.sequences if len(items) > 1)  # one item alone contradicts nothing
        sequences = "; ".join(" before ".join(quoted(str(item)) for item in items) for items in longer)
        report.add(
            "frameworks",
            f"the frameworks cannot be brought into one order, because these contradict each other: {sequences}",
            "name the frameworks in the same order everywhere",
        )
        return None
