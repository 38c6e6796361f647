"""What a layer needs, and which package index each package comes from.

A layer may take packages from named indexes, and the layers above inherit that. Layers of one path must agree,
or the layer above them must say that the disagreement is intended.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name

from venvstacks.definition.references import Draft
from venvstacks.definition.tables import Report, Table
from venvstacks.humanize import did_you_mean, listed, quoted, without_credentials


def read_requirements(table: Table) -> tuple[Requirement, ...]:
    """Parse a layer's requirements."""
    parsed = (_parse_requirement(text, table.report) for text in table.texts("requirements"))
    return tuple(requirement for requirement in parsed if requirement is not None)


def _parse_requirement(text: str, report: Report) -> Requirement | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0].rstrip(":")  # the other lines point at a column of the text
        shown = quoted(without_credentials(text, "***@"))
        is_option = text.lstrip().startswith("-")
        hint = "options of pip cannot be used here; settings for uv belong in [tool.uv]" if is_option else None
        report.add("requirements", f"{shown} is not a valid requirement: {reason}", hint)
        return None
    if requirement.url is not None:
        report.add(
            "requirements",
            f"'{requirement.name} @ ...' is a URL; layers install wheels from package indexes and local "
            "folders only",
            f"put a wheel of it into a folder, name that with --local-wheels and write '{requirement.name}'",
        )
        return None
    return requirement


def package_names(field: str, spellings: Iterable[str], report: Report) -> dict[str, str]:
    """Normalise names of packages (PEP 503): normalised name -> spelling."""
    names: dict[str, str] = {}
    for spelling in spellings:
        try:
            name = canonicalize_name(spelling, validate=True)
        except InvalidName:
            report.add(field, f"{quoted(spelling)} is not a valid package name")
            continue
        if name not in names:
            names[name] = spelling
            continue
        message = f"{quoted(names[name])} and {quoted(spelling)} are two spellings of one package ({name})"
        if names[name] == spelling:
            message = f"{quoted(spelling)} is listed twice"
        report.add(field, message, "keep one of them")
    return names


def read_indexes(
    table: Table, defined: Sequence[str] | None
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Read a layer's own settings: normalised package -> index, losing -> winning index, what goes first."""
    packages, overrides = table.mapping("package_indexes"), table.mapping("index_overrides")
    priority = tuple(dict.fromkeys(table.texts("priority_indexes")))
    names = package_names("package_indexes", packages, table.report)
    used = {
        "package_indexes": packages.values(),
        "index_overrides": [*overrides, *overrides.values()],
        "priority_indexes": priority,
    }
    for field, indexes in used.items():
        for index in dict.fromkeys(indexes):
            if defined is not None and index not in defined:
                table.report.add(field, *undefined_index(index, defined))
    return {name: packages[spelling] for name, spelling in names.items()}, overrides, priority


def undefined_index(index: str, defined: Sequence[str]) -> tuple[str, str]:
    """Return message and hint for the name of an index that the settings for uv do not define."""
    known = f"defined are: {listed(defined)}" if defined else None
    hint = did_you_mean(index, defined) or known or f'add [[tool.uv.index]] with name = "{index}" and a url'
    return f"names index {quoted(index)}, which no [[tool.uv.index]] defines", hint


def agree_on_indexes(
    own: Mapping[str, str], overrides: Mapping[str, str], below: Sequence[Draft], report: Report
) -> dict[str, str]:
    """Join a layer's assignments with those of the layers below it."""
    path = [("this layer", own), *((draft.title, draft.own_indexes) for draft in below)]
    winners: dict[str, str] = {}
    losers: dict[str, list[str]] = {}
    for _, packages in path:
        for package, index in packages.items():
            winner = winners.setdefault(package, index)
            if index != winner and overrides.get(index) != winner:
                losers.setdefault(package, []).append(index)
    needed = {index: winners[package] for package, indexes in losers.items() for index in indexes}
    for package, indexes in losers.items():
        sources = ", ".join(f"{title} from {quoted(at[package])}" for title, at in path if package in at)
        # One line for all disagreements of the layer: two index_overrides lines would not be valid TOML.
        pairs = {**overrides, **needed, **dict.fromkeys(indexes, winners[package])}.items()
        line = ", ".join(f'{_toml_key(losing)} = "{winning}"' for losing, winning in pairs)
        report.add(
            "index_overrides",
            f"{quoted(package)} would come from different indexes: {sources}",
            f"if that is intended, write: index_overrides = {{ {line} }}",
        )
    return dict(sorted(winners.items()))


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
