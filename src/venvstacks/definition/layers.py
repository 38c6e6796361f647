"""From the tables of a definition file to its layers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from venvstacks.definition.modules import read_modules
from venvstacks.definition.names import name_problem, read_entry_points
from venvstacks.definition.package_settings import agree_on_indexes, package_names, read_indexes, read_requirements
from venvstacks.definition.references import Draft, Drafts, Names, find_below
from venvstacks.definition.stack import Layer, LayerKind
from venvstacks.definition.tables import LAYER_FIELDS, Report, Table, describe, read_table
from venvstacks.definition.target_settings import read_compatibilities, read_python
from venvstacks.file_names import folded, windows_problem
from venvstacks.humanize import quoted
from venvstacks.platforms.compatibility import Version

_DEPRECATED = {
    "fully_versioned_name": "is deprecated: write 'python_implementation' instead",
    "build_requirements": "has no effect any more: remove it",
}


def read_layers(
    definition: Mapping[str, Any], folder: Path, indexes: Sequence[str] | None, macos: Version, report: Report
) -> tuple[Layer, ...]:
    """Read all layers of a definition.

    ``indexes`` are the names that the settings for uv define, or None if they are not known.
    """
    tables = {kind: _tables(definition, kind, report) for kind in LayerKind}
    names = {kind: [_name(raw) for raw in tables[kind]] for kind in LayerKind}
    drafts: Drafts = {}
    earlier: dict[str, str] = {}
    layers = []
    for kind, raw_layers in tables.items():
        for position, raw in enumerate(raw_layers, 1):
            name = _name(raw)
            about = report.about(f"{kind.value} {quoted(name)}" if name else f"{kind.value} #{position}")
            table = read_table(raw, LAYER_FIELDS[kind], about)
            if "name" in table.values:
                _check_name(kind, table.values["name"], earlier, about)
            layer = _read_layer(kind, table, drafts, names, folder=folder, indexes=indexes, macos=macos)
            report.warnings.extend(
                f"Field {quoted(key)} of {about.subject} {note}."
                for key, note in _DEPRECATED.items()
                if key in raw
            )
            if layer is not None:
                report.warnings.extend(_name_warnings(layer))
                layers.append(layer)
    return tuple(layers)


def _tables(definition: Mapping[str, Any], kind: LayerKind, report: Report) -> list[Mapping[str, Any]]:
    found = definition.get(kind.table, [])
    expected, hint = "expected an array of tables", f"write [[{kind.table}]]"
    if not isinstance(found, list):
        report.add(kind.table, f"{expected}, found {describe(found)}", hint)
        return []
    for position, item in enumerate(found, 1):
        if not isinstance(item, dict):
            report.add(kind.table, f"{expected}, found {describe(item)} as its item {position}", hint)
    return [item for item in found if isinstance(item, dict)]


def _name(raw: Mapping[str, Any]) -> str | None:
    name = raw.get("name")
    return name if isinstance(name, str) and name else None


def _check_name(kind: LayerKind, name: str, earlier: dict[str, str], report: Report) -> None:
    """Check a name by itself, and against those of the layers before it."""
    if problem := name_problem(kind, name):
        report.add("name", problem)
        return
    build_name = f"{kind.prefix}{name}"
    other = earlier.get(folded(build_name))
    earlier.setdefault(folded(build_name), build_name)
    if other == build_name:
        report.add("name", f"is the name of an earlier {kind.value} too", "names are unique within their kind")
    elif other is not None:
        report.warnings.append(
            f"{quoted(build_name)} and {quoted(other)} are names of one folder where a file system ignores case."
        )


def _name_warnings(layer: Layer) -> Iterator[str]:
    """Warn where the folder of a layer cannot exist or cannot be used, although it can elsewhere."""
    if ":" in layer.name:
        yield f"The name of {layer.title} has a ':', which separates folders in search paths."
    windows = " and ".join(target.name for target in layer.targets if target.is_windows)
    if windows and (problem := windows_problem(layer.build_name)):
        where = f"{layer.title[0].upper()}{layer.title[1:]} is made for {windows}, where its folder cannot exist"
        yield f"{where}: {quoted(layer.build_name)} {problem}."


def _read_layer(
    kind: LayerKind,
    table: Table,
    drafts: Drafts,
    names: Names,
    *,
    folder: Path,
    indexes: Sequence[str] | None,
    macos: Version,
) -> Layer | None:
    """Read one layer, make it known to those above it, and return it if it is complete."""
    name = table.text("name") or ""
    requirements = read_requirements(table)
    if kind is LayerKind.RUNTIME:
        below: tuple[Draft, ...] | None = ()
        python = read_python(table)
    else:
        below = find_below(kind, table, drafts, names)
        python = below[-1].python if below else None
    compatibilities = read_compatibilities(table, below, macos)
    own_indexes, overrides, priority = read_indexes(table, indexes)
    package_indexes = agree_on_indexes(own_indexes, overrides, below or (), table.report)
    excluded = package_names("exclude_packages", table.texts("exclude_packages"), table.report)
    entry_points, all_entry_points = read_entry_points(table)
    launch, support = read_modules(table, folder, must_exist=compatibilities != ())
    drafts[kind, name] = Draft(kind, name, below, python, compatibilities, own_indexes)
    if below is None or python is None or compatibilities is None:
        return None
    return Layer(
        kind=kind,
        name=name,
        requirements=requirements,
        compatibilities=compatibilities,
        runtime=below[-1].name if below else name,
        frameworks=tuple(f"{LayerKind.FRAMEWORK.prefix}{draft.name}" for draft in below[:-1]),
        python=python,
        dynlib_exclude=table.texts("dynlib_exclude"),
        dynlib_allow_missing=table.texts("dynlib_allow_missing"),
        package_indexes=package_indexes,
        index_overrides=overrides,
        priority_indexes=priority,
        exclude_packages=tuple(sorted(excluded)),
        versioned=table.flag("versioned"),
        launch_module=launch,
        support_modules=support,
        entry_points=entry_points,
        all_entry_points=all_entry_points,
        isolated=table.flag("isolated"),
    )
