"""Checks one table of the file, key by key, and keeps all values that are of the right type.

A typed decoder stops at the first value it does not like. A user wants to hear of all of them, so each value is
converted by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect, structs

from venvstacks.definition.fields import ApplicationFields, FrameworkFields, RuntimeFields
from venvstacks.definition.report import Report, did_you_mean, listed, quoted
from venvstacks.definition.stack import LayerKind

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
_FOUND_HINTS = {list: "put it between brackets: [...]", str: "put it between quotes"}


@dataclass(frozen=True, slots=True)
class Table:
    """The usable part of a table.

    Attributes:
        report: Takes further problems of this table.
        values: What is of the right type.
        given: The known keys that stand in the file, usable or not.
    """

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
        """Whether a key stands in the file with a value of a wrong type."""
        return key in self.given and key not in self.values


def read_table(raw: Mapping[str, Any], model: type[msgspec.Struct], report: Report) -> Table:
    """Check a table against its model."""
    fields = _fields(model)
    values = {}
    for key, value in raw.items():
        if key not in fields:
            report.add(key, *_unknown(key, model))
        elif (usable := _convert(value, fields[key], report)) is not None:
            values[key] = usable
    for key, field in fields.items():
        if field.required and key not in raw:
            hint = "write 'requirements = []' if it needs none" if key == "requirements" else None
            report.add(key, "is required, but missing", hint)
    return Table(report, values, frozenset(raw).intersection(fields))


@cache
def _fields(model: type[msgspec.Struct]) -> dict[str, structs.FieldInfo]:
    return {field.encode_name: field for field in structs.fields(model)}


def _unknown(key: str, model: type[msgspec.Struct]) -> tuple[str, str | None]:
    owners = [f"{kind.value}s" for kind, other in LAYER_FIELDS.items() if key in _fields(other)]
    if owners and model in LAYER_FIELDS.values():
        return f"is a field of {' and '.join(owners)} only", None
    known = _fields(model)
    return "is not a known key", did_you_mean(key, known) or f"known keys: {', '.join(sorted(known))}"


def _convert(value: object, field: structs.FieldInfo, report: Report) -> Any:  # noqa: ANN401 - the field's type
    try:
        return msgspec.convert(value, field.type)
    except msgspec.ValidationError:
        expected = inspect.type_info(field.type)
        report.add(field.encode_name, *_mismatch(value, _bare(expected)))
        return None


def _bare(expected: inspect.Type) -> inspect.Type:
    while isinstance(expected, inspect.Metadata):
        expected = expected.type
    return expected


def _mismatch(value: object, expected: inspect.Type) -> tuple[str, str | None]:
    if isinstance(expected, inspect.LiteralType):
        words = [str(word) for word in expected.values]
        found = quoted(value) if isinstance(value, str) else describe(value)
        return f"expected one of {listed(words)}, found {found}", did_you_mean(str(value), words)
    otherwise = ""
    if isinstance(expected, inspect.UnionType):
        containers = (one for one in expected.types if isinstance(one, (inspect.ListType, inspect.DictType)))
        expected = next(containers)
        otherwise = "true or " if isinstance(expected, inspect.ListType) else "a string or "
    if isinstance(expected, inspect.ListType):
        return _array_mismatch(value, otherwise)
    if isinstance(expected, inspect.DictType):
        return _table_mismatch(value, otherwise)
    if isinstance(expected, inspect.BoolType):
        return f"expected true or false, found {describe(value)}", None
    hint = _FOUND_HINTS[str] if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    return f"expected a string, found {describe(value)}", hint


def _array_mismatch(value: object, otherwise: str) -> tuple[str, str | None]:
    if not isinstance(value, list):
        hint = _FOUND_HINTS[list] if isinstance(value, str) else None
        return f"expected {otherwise}an array of strings, found {describe(value)}", hint
    position, item = next((n, item) for n, item in enumerate(value, 1) if not isinstance(item, str))
    return f"expected an array of strings, found {describe(item)} as its item {position}", None


def _table_mismatch(value: object, otherwise: str) -> tuple[str, None]:
    if not isinstance(value, dict):
        return f"expected {otherwise}a table of strings, found {describe(value)}", None
    key, item = next((key, item) for key, item in value.items() if not isinstance(item, str))
    return f"expected {otherwise}a table of strings, found {describe(item)} for {quoted(key)}", None


def describe(value: object) -> str:
    """Name the type of a TOML value: ``an array``."""
    if isinstance(value, (date, time)):
        return "a date or time"
    return _FOUND[type(value)]
