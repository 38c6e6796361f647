"""Loads a definition file: every problem of it at once, or a stack that the other packages can rely on."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from venvstacks.definition.layers import read_layers
from venvstacks.definition.schema import Definition, ToolSettings
from venvstacks.definition.stack import ARCHIVE_FORMATS, ArchiveFormatName, Bytecode, LocalRuntime, Stack
from venvstacks.definition.tables import Report, describe, read_table, read_toml
from venvstacks.definition.target_settings import default_macos, which_target
from venvstacks.definition.uv_settings import read_uv_settings
from venvstacks.errors import DefinitionError
from venvstacks.file_names import absolute_path
from venvstacks.humanize import did_you_mean, listed, quoted
from venvstacks.platforms.targets import TARGETS

ARCHIVE_FORMAT = "VENVSTACKS_ARCHIVE_FORMAT"
"""The environment variable that wins over ``archive-format``: ``FORMAT`` or ``PLATFORM=FORMAT,...``."""

_KNOWN_KEYS = Definition.__struct_encode_fields__


def load_stack(
    path: Path,
    *,
    local_runtime: LocalRuntime | None = None,
    bytecode: Bytecode | None = None,
    environ: Mapping[str, str] | None = None,
) -> Stack:
    """Load and check a definition file."""
    report = Report()
    stack = _load(path, os.environ if environ is None else environ, report)
    if stack is None or report.problems:
        raise DefinitionError(str(path), tuple(report.problems))
    return replace(stack, local_runtime=local_runtime or stack.local_runtime, bytecode=bytecode or stack.bytecode)


def _load(path: Path, environ: Mapping[str, str], report: Report) -> Stack | None:
    file = absolute_path(path, Path.cwd())
    definition = read_toml(file, report)
    if definition is None:
        return None
    for key in definition:
        if key not in _KNOWN_KEYS:  # it may be for another tool
            hint = did_you_mean(key, _KNOWN_KEYS)
            note = f" ({hint})" if hint else ""
            report.warnings.append(f"Top-level key {quoted(key)} is ignored: it is not known{note}.")
    tool = _table(definition, "tool", report)
    uv, indexes = read_uv_settings(tool, file.parent, environ, report)
    settings = read_table(_table(tool, "venvstacks", report), ToolSettings, report.about("[tool.venvstacks]"))
    layers = read_layers(definition, file.parent, indexes, default_macos(environ, report), report)
    local_runtime = cast("LocalRuntime", settings.text("local-runtime") or "never")
    bytecode = cast("Bytecode", settings.text("bytecode") or "none")
    formats = _read_archive_formats(settings.values.get("archive-format", {}), environ, settings.report)
    strict = settings.flag("strict")
    return Stack(file, layers, uv, formats, local_runtime, bytecode, strict, tuple(report.warnings))


def _table(parent: Mapping[str, Any], key: str, report: Report) -> Mapping[str, Any]:
    value = parent.get(key, {})
    if isinstance(value, dict):
        return value
    report.about(f"key {quoted(key)}").add(None, f"expected a table, found {describe(value)}")
    return {}


def _read_archive_formats(
    setting: str | Mapping[str, str], environ: Mapping[str, str], settings: Report
) -> dict[str, ArchiveFormatName]:
    """Find the format of the archives for each platform, as the definition or the environment chooses it."""
    found = dict.fromkeys(TARGETS, ARCHIVE_FORMATS[0])
    named: dict[str | None, str] = {None: setting} if isinstance(setting, str) else dict(setting.items())
    _choose(found, named, settings, "archive-format")
    if text := environ.get(ARCHIVE_FORMAT, "").strip():
        pairs = (part.rpartition("=") for part in text.split(","))
        named = {name.strip() if equals else None: value.strip() for name, equals, value in pairs}
        _choose(found, named, settings.about(f"environment variable {ARCHIVE_FORMAT}"), None)
    return found


def _choose(
    found: dict[str, ArchiveFormatName], named: dict[str | None, str], report: Report, field: str | None
) -> None:
    """Set the formats of targets by name; what is for None is for those without one of their own."""
    for name, value in sorted(named.items(), key=lambda pair: pair[0] is not None):
        chosen = next((known for known in ARCHIVE_FORMATS if known == value), None)
        if chosen is None:
            report.add(field, f"expected one of {listed(ARCHIVE_FORMATS)}, found {quoted(value)}")
        elif name is None:
            found.update(dict.fromkeys(TARGETS, chosen))
        elif name in TARGETS:
            found[name] = chosen
        else:
            report.add(field, f"{quoted(name)} is not a target platform", which_target(name))
