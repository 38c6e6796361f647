"""Names of packages in a layer's fields: one package may be spelled in many ways."""

from collections.abc import Iterable

from packaging.utils import InvalidName, canonicalize_name

from venvstacks.definition.report import Report, quoted
from venvstacks.definition.tables import Table


def package_names(field: str, spellings: Iterable[str], report: Report) -> dict[str, str]:
    """Normalise names of packages (PEP 503)."""
    names: dict[str, str] = {}
    for spelling in spellings:
        try:
            name = canonicalize_name(spelling, validate=True)
        except InvalidName:
            report.add(field, f"{quoted(spelling)} is not a valid package name")
            continue
        if name not in names:
            names[name] = spelling
        elif names[name] == spelling:
            report.add(field, f"{quoted(spelling)} is listed twice", "keep one of them")
        else:
            both = f"{quoted(names[name])} and {quoted(spelling)}"
            report.add(field, f"{both} are two spellings of one package ({name})", "keep one of them")
    return names


def read_excluded(table: Table) -> tuple[str, ...]:
    """Read ``exclude_packages``."""
    field = "exclude_packages"
    return tuple(sorted(package_names(field, table.texts(field), table.report)))
