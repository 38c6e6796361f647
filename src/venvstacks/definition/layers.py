"""From the tables of a definition file to its layers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvstacks.definition.command_names import read_entry_points
from venvstacks.definition.drafts import Catalogue, Draft, Place
from venvstacks.definition.indexes import agreed_indexes, read_indexes
from venvstacks.definition.modules import read_modules
from venvstacks.definition.names import file_key, name_problem
from venvstacks.definition.package_names import read_excluded
from venvstacks.definition.pythons import read_python
from venvstacks.definition.references import find_place
from venvstacks.definition.report import Report, quoted
from venvstacks.definition.requirements import read_requirements
from venvstacks.definition.stack import Layer, LayerKind
from venvstacks.definition.tables import LAYER_FIELDS, Table, describe, read_table
from venvstacks.definition.target_settings import read_compatibilities
from venvstacks.file_names import windows_problem
from venvstacks.platforms.compatibility import Version

_DEPRECATED = {
    "fully_versioned_name": "is deprecated: write 'python_implementation' instead",
    "build_requirements": "has no effect any more: remove it",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What holds for all layers of a file.

    Attributes:
        folder: What relative paths are relative to.
        indexes: Names of the indexes that the settings for uv define; None if they are not known.
        macos: The default macOS version.
    """

    folder: Path
    indexes: tuple[str, ...] | None
    macos: Version


def read_layers(definition: Mapping[str, Any], surroundings: Surroundings, report: Report) -> tuple[Layer, ...]:
    """Read all layers of a definition."""
    tables = {kind: _tables(definition, kind, report) for kind in LayerKind}
    catalogue = Catalogue({kind: [_name(raw) for raw in tables[kind]] for kind in LayerKind})
    earlier: dict[str, str] = {}
    layers = []
    for kind, raw_layers in tables.items():
        for position, raw in enumerate(raw_layers, 1):
            name = _name(raw)
            about = report.about(f"{kind.value} {quoted(name)}" if name else f"{kind.value} #{position}")
            table = read_table(raw, LAYER_FIELDS[kind], about)
            if "name" in table.values:
                _check_name(kind, table.values["name"], earlier, about)
            layer = _read_layer(kind, table, catalogue, surroundings)
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
    problem = name_problem(kind, name)
    if problem:
        report.add("name", problem)
        return
    build_name = f"{kind.prefix}{name}"
    key = file_key(build_name)
    other = earlier.get(key)
    earlier.setdefault(key, build_name)
    if other == build_name:
        report.add("name", f"is the name of an earlier {kind.value} too", "names are unique within their kind")
    elif other is not None:
        report.warnings.append(
            f"{quoted(build_name)} and {quoted(other)} are names of one folder where a file system ignores case."
        )


def _name_warnings(layer: Layer) -> Iterator[str]:
    """Return where the folder of a layer cannot exist or cannot be used, although it can elsewhere."""
    if ":" in layer.name:
        yield f"The name of {layer.title} has a ':', which stands between folders in search paths."
    windows = " and ".join(target.name for target in layer.targets if target.is_windows)
    if windows and (problem := windows_problem(layer.build_name)):
        where = f"{layer.title[0].upper()}{layer.title[1:]} is made for {windows}, where its folder cannot exist"
        yield f"{where}: {quoted(layer.build_name)} {problem}."


def _read_layer(kind: LayerKind, table: Table, catalogue: Catalogue, surroundings: Surroundings) -> Layer | None:
    """Read one layer, make it known to those above it, and give it if it is complete."""
    name = table.text("name") or ""
    requirements = read_requirements(table)
    if kind is LayerKind.RUNTIME:
        place: Place | None = Place(name)
        below: Sequence[Draft] | None = ()
        python = read_python(table)
    else:
        place = find_place(kind, table, catalogue)
        below = None if place is None else catalogue.below(place)
        python = below[-1].python if below else None
    compatibilities = read_compatibilities(table, below, surroundings.macos)
    indexes = read_indexes(table, surroundings.indexes)
    package_indexes = agreed_indexes(indexes, below or (), table.report)
    excluded, entry_points = read_excluded(table), read_entry_points(table)
    launch, support = read_modules(table, surroundings.folder, must_exist=compatibilities != ())
    catalogue.add(Draft(kind, name, place, python, compatibilities, indexes.packages))
    if place is None or python is None or compatibilities is None:
        return None
    return Layer(
        kind=kind,
        name=name,
        requirements=requirements,
        compatibilities=compatibilities,
        runtime=place.runtime,
        frameworks=tuple(f"{LayerKind.FRAMEWORK.prefix}{framework}" for framework in place.frameworks),
        python=python,
        dynlib_exclude=table.texts("dynlib_exclude"),
        dynlib_allow_missing=table.texts("dynlib_allow_missing"),
        package_indexes=package_indexes,
        index_overrides=indexes.overrides,
        priority_indexes=indexes.priority,
        exclude_packages=excluded,
        versioned=table.flag("versioned"),
        launch_module=launch,
        support_modules=support,
        entry_points=entry_points.names,
        all_entry_points=entry_points.everything,
        isolated=table.flag("isolated"),
    )
