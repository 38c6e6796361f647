"""What a layer declares to need, and names of packages in its fields: one package may be spelled in many ways."""

import re
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name

from venvstacks.definition.tables import Report, Table
from venvstacks.humanize import quoted

_CREDENTIALS = re.compile(r"://[^/@\s]+@")


def read_requirements(table: Table) -> tuple[Requirement, ...]:
    """Parse a layer's requirements."""
    parsed = (_parse(text, table.report) for text in table.texts("requirements"))
    return tuple(requirement for requirement in parsed if requirement is not None)


def _parse(text: str, report: Report) -> Requirement | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0].rstrip(":")  # the other lines point at a column of the text
        shown = quoted(_CREDENTIALS.sub("://***@", text))
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


def read_excluded(table: Table) -> tuple[str, ...]:
    """Read ``exclude_packages``."""
    field = "exclude_packages"
    return tuple(sorted(package_names(field, table.texts(field), table.report)))


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
