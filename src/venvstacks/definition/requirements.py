"""What a layer declares to need."""

import re

from packaging.requirements import InvalidRequirement, Requirement

from venvstacks.definition.report import Report, quoted
from venvstacks.definition.tables import Table

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
        report.add("requirements", f"{shown} is not a valid requirement: {reason}", _flag_hint(text))
        return None
    if requirement.url is not None:
        report.add(
            "requirements",
            f"'{requirement.name} @ ...' names an address; layers install wheels from package indexes and local "
            "folders only",
            f"put a wheel of it into a folder, name that with --local-wheels and write '{requirement.name}'",
        )
        return None
    return requirement


def _flag_hint(text: str) -> str | None:
    if text.lstrip().startswith("-"):
        return "options of pip cannot stand here; settings for uv belong into [tool.uv]"
    return None
