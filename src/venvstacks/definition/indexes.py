"""Which package index each package comes from.

A layer may take packages from named indexes, and the layers above inherit that. Layers of one path must agree,
or the layer above them must say that the disagreement is intended.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from venvstacks.definition.drafts import Draft
from venvstacks.definition.package_names import package_names
from venvstacks.definition.report import Report, did_you_mean, listed, quoted
from venvstacks.definition.tables import Table


@dataclass(frozen=True, slots=True)
class Indexes:
    """What one layer says about indexes.

    Attributes:
        packages: Normalised package -> index.
        overrides: Losing index -> winning index.
        priority: Indexes that go first.
    """

    packages: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    priority: tuple[str, ...] = ()


def read_indexes(table: Table, defined: Sequence[str] | None) -> Indexes:
    """Read a layer's own index settings."""
    packages = _read_packages(table)
    overrides = table.mapping("index_overrides")
    priority = tuple(dict.fromkeys(table.texts("priority_indexes")))
    if defined is not None:
        _check_defined("package_indexes", table.mapping("package_indexes").values(), defined, table.report)
        _check_defined("index_overrides", [*overrides, *overrides.values()], defined, table.report)
        _check_defined("priority_indexes", priority, defined, table.report)
    return Indexes(packages, overrides, priority)


def _read_packages(table: Table) -> dict[str, str]:
    written = table.mapping("package_indexes")
    names = package_names("package_indexes", written, table.report)
    return {name: written[spelling] for name, spelling in names.items()}


def _check_defined(where: str, used: Iterable[str], defined: Sequence[str], report: Report) -> None:
    for index in dict.fromkeys(used):
        if index not in defined:
            report.add(where, *undefined_index(index, defined))


def undefined_index(index: str, defined: Sequence[str]) -> tuple[str, str]:
    """Return message and hint for the name of an index that the settings for uv do not define."""
    hint = did_you_mean(index, defined)
    if hint is None:
        hint = (
            f"defined are: {listed(defined)}"
            if defined
            else f'add [[tool.uv.index]] with name = "{index}" and a url'
        )
    return f"names index {quoted(index)}, which no [[tool.uv.index]] defines", hint


def agreed_indexes(own: Indexes, below: Sequence[Draft], report: Report) -> dict[str, str]:
    """Join a layer's assignments with those of the layers below it."""
    path = [("this layer", own.packages), *((draft.title, draft.own_indexes) for draft in below)]
    winners: dict[str, str] = {}
    losers: dict[str, list[str]] = {}
    for _, packages in path:
        for package, index in packages.items():
            winner = winners.setdefault(package, index)
            if index != winner and own.overrides.get(index) != winner:
                losers.setdefault(package, []).append(index)
    needed = {index: winners[package] for package, indexes in losers.items() for index in indexes}
    for package, indexes in losers.items():
        sources = ", ".join(f"{title} from {quoted(at[package])}" for title, at in path if package in at)
        # One line for all disagreements of the layer: two index_overrides lines would not be valid TOML.
        line = _override_line({**own.overrides, **needed, **dict.fromkeys(indexes, winners[package])})
        report.add(
            "index_overrides",
            f"{quoted(package)} would come from different indexes: {sources}",
            f"if that is intended, write: {line}",
        )
    return dict(sorted(winners.items()))


def _override_line(overrides: Mapping[str, str]) -> str:
    pairs = ", ".join(f'{_toml_key(losing)} = "{winning}"' for losing, winning in overrides.items())
    return f"index_overrides = {{ {pairs} }}"


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
