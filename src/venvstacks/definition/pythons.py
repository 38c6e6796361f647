"""Which base Python a runtime asks for."""

import re

from venvstacks.definition.stack import PythonRequest
from venvstacks.definition.tables import Report, Table
from venvstacks.humanize import did_you_mean, listed, quoted

_IMPLEMENTATIONS = ("cpython", "pypy")
_VERSION = re.compile(r"(?P<version>[0-9]+\.[0-9]+(\.[0-9]+((a|b|rc)[0-9]+)?)?)(?P<freethreaded>t?)")
_FIRST_FREETHREADED = (3, 13)
_FIELD = "python_implementation"
_LEGACY_FIELD = "fully_versioned_name"


def read_python(table: Table) -> PythonRequest | None:
    """Read a runtime's ``python_implementation``, or its legacy name."""
    if {_FIELD, _LEGACY_FIELD} <= table.given:
        message = f"is set beside '{_FIELD}', whose former name it is"
        table.report.add(_LEGACY_FIELD, message, f"remove '{_LEGACY_FIELD}'")
        return None
    field = _LEGACY_FIELD if _LEGACY_FIELD in table.given else _FIELD
    if field not in table.given:
        table.report.add(field, "is required, but missing", f'for example: {_FIELD} = "cpython@3.13"')
        return None
    text = table.text(field)
    return None if text is None else _parse(text, field, table.report)


def _parse(text: str, field: str, report: Report) -> PythonRequest | None:
    implementation, _, version = text.partition("@")
    if implementation not in _IMPLEMENTATIONS:
        report.add(
            field,
            f"{quoted(text)} does not start with a known implementation: expected "
            f"one of {listed(_IMPLEMENTATIONS)}, an '@' and a version",
            did_you_mean(implementation, _IMPLEMENTATIONS),
        )
        return None
    match = _VERSION.fullmatch(version)
    if match is None:
        report.add(
            field,
            f"{quoted(text)} has no usable version: expected X.Y or X.Y.Z, with a 't' behind it for a "
            "free-threaded build",
            f"for example: '{implementation}@3.11' or '{implementation}@3.11.13'",
        )
        return None
    request = PythonRequest(implementation, match["version"], bool(match["freethreaded"]))
    major, minor = request.version.split(".")[:2]
    is_new_cpython = implementation == "cpython" and (int(major), int(minor)) >= _FIRST_FREETHREADED
    if request.freethreaded and not is_new_cpython:
        report.add(field, f"{quoted(text)} has no free-threaded build: only CPython 3.13 and later have one")
        return None
    return request
