"""From a TOML file to tables with values of the right types, and every problem on the way collected.

A typed decoder stops at the first value it does not like. A user wants to see all of them, so each value is
converted by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect, structs

from venvstacks.definition.schema import ApplicationFields, FrameworkFields, RuntimeFields
from venvstacks.definition.stack import LayerKind
from venvstacks.documents import DocumentError, parse_toml
from venvstacks.errors import Problem
from venvstacks.humanize import did_you_mean, listed, quoted

LAYER_FIELDS: dict[LayerKind, type[msgspec.Struct]] = {
    LayerKind.RUNTIME: RuntimeFields,
    LayerKind.FRAMEWORK: FrameworkFields,
    LayerKind.APPLICATION: ApplicationFields,
}
"""The model of each kind of layer."""

_FOUND = {
    bool: "a boolean",
    str: "a string",
    int: "an integer",
    float: "a float",
    list: "an array",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Collects the problems of one part of the file, so that all of them can be shown at once.

    ``subject`` is that part, such as ``framework 'torch'``; empty for the whole file. Warnings are sentences on
    what can be used, and may not be what is meant.
    """

    subject: str = ""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def about(self, subject: str) -> "Report":
        """Return a report on another part that collects into the same lists."""
        return Report(subject, self.problems, self.warnings)

    def add(self, name: str | None, message: str, hint: str | None = None) -> None:
        """Note a problem of a field, or of the whole part."""
        parts = (self.subject, f"field {quoted(name)}" if name is not None else "")
        self.problems.append(Problem(", ".join(filter(None, parts)), message, hint))


@dataclass(frozen=True, slots=True)
class Table:
    """The values of a table that are of the right type, and the known keys that are given, usable or not."""

    report: Report
    values: Mapping[str, Any]
    given: frozenset[str]

    def text(self, key: str) -> str | None:
        """Return a string, or None if it is absent or unusable."""
        value: str | None = self.values.get(key)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return an array of strings; empty if it is absent or unusable."""
        return tuple(self.values.get(key, ()))

    def mapping(self, key: str) -> dict[str, str]:
        """Return a table of strings; empty if it is absent or unusable."""
        return dict(self.values.get(key, {}))

    def flag(self, key: str) -> bool:
        """Return a boolean; false if it is absent or unusable."""
        return bool(self.values.get(key, False))

    def unusable(self, key: str) -> bool:
        """Whether a key is in the file with a value of a wrong type."""
        return key in self.given and key not in self.values


def read_toml(path: Path, report: Report) -> dict[str, Any] | None:
    """Read a TOML file; report why that is impossible."""
    hint = None
    try:
        return parse_toml(path.read_bytes().decode("utf-8-sig"))
    except DocumentError as error:
        problem = f"the file is not valid TOML: {error}"
    except UnicodeDecodeError as error:
        problem = f"the file is not UTF-8 text (byte {error.start + 1} is 0x{error.object[error.start]:02x})"
    except FileNotFoundError:
        problem = "the file does not exist"
        hint = "name the definition file, or change to its folder"
    except (OSError, ValueError) as error:  # a null byte in the name is a ValueError
        if isinstance(error, OSError) and path.is_dir():
            problem = "it is a folder; expected a TOML file"
            hint = "name the file, for example 'venvstacks.toml' in it"
        else:
            problem = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
    report.add(None, problem, hint)
    return None


def read_table(raw: Mapping[str, Any], model: type[msgspec.Struct], report: Report) -> Table:
    """Check a table against its model."""
    fields = _fields(model)
    values = {}
    for key, value in raw.items():
        if key not in fields:
            report.add(key, *_unknown(key, model))
        elif (usable := _convert(value, fields[key], report)) is not None:
            values[key] = usable
    for key, field_info in fields.items():
        if field_info.required and key not in raw:
            hint = "write 'requirements = []' if it needs none" if key == "requirements" else None
            report.add(key, "is required, but missing", hint)
    return Table(report, values, frozenset(raw).intersection(fields))


@cache
def _fields(model: type[msgspec.Struct]) -> dict[str, structs.FieldInfo]:
    return {info.encode_name: info for info in structs.fields(model)}


def _unknown(key: str, model: type[msgspec.Struct]) -> tuple[str, str | None]:
    owners = [f"{kind.value}s" for kind, other in LAYER_FIELDS.items() if key in _fields(other)]
    if owners and model in LAYER_FIELDS.values():
        return f"is a field of {' and '.join(owners)} only", None
    known = _fields(model)
    return "is not a known key", did_you_mean(key, known) or f"known keys: {', '.join(sorted(known))}"


def _convert(value: object, info: structs.FieldInfo, report: Report) -> Any:  # noqa: ANN401 - the field's type
    try:
        return msgspec.convert(value, info.type)
    except msgspec.ValidationError:
        report.add(info.encode_name, *_mismatch(value, inspect.type_info(info.type)))
        return None


def _mismatch(value: object, expected: inspect.Type) -> tuple[str, str | None]:
    while isinstance(expected, inspect.Metadata):
        expected = expected.type
    if isinstance(expected, inspect.LiteralType):
        words = [str(word) for word in expected.values]
        found = quoted(value) if isinstance(value, str) else describe(value)
        return f"expected one of {listed(words)}, found {found}", did_you_mean(str(value), words)
    types = expected.types if isinstance(expected, inspect.UnionType) else (expected,)
    if any(isinstance(one, inspect.ListType) for one in types):
        return _array_mismatch(value, "true or " if len(types) > 1 else "")
    if any(isinstance(one, inspect.DictType) for one in types):
        return _table_mismatch(value, "a string or " if len(types) > 1 else ""), None
    if isinstance(expected, inspect.BoolType):
        return f"expected true or false, found {describe(value)}", None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"expected a string, found {describe(value)}", "put it between quotes" if is_number else None


def _array_mismatch(value: object, otherwise: str) -> tuple[str, str | None]:
    if not isinstance(value, list):
        hint = "put it between brackets: [...]" if isinstance(value, str) else None
        return f"expected {otherwise}an array of strings, found {describe(value)}", hint
    position, item = next((n, item) for n, item in enumerate(value, 1) if not isinstance(item, str))
    return f"expected an array of strings, found {describe(item)} as its item {position}", None


def _table_mismatch(value: object, otherwise: str) -> str:
    expected = f"expected {otherwise}a table of strings, found"
    if not isinstance(value, dict):
        return f"{expected} {describe(value)}"
    key, item = next((key, item) for key, item in value.items() if not isinstance(item, str))
    return f"{expected} {describe(item)} for {quoted(key)}"


def describe(value: object) -> str:
    """Name the type of a TOML value: ``an array``."""
    return "a date or time" if isinstance(value, (date, time)) else _FOUND[type(value)]
