"""Loads a definition file: every problem of it at once, or a stack that the other rooms can rely on."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from venvstacks.definition.archive_formats import read_archive_formats
from venvstacks.definition.fields import Definition, ToolSettings
from venvstacks.definition.layers import Surroundings, read_layers
from venvstacks.definition.modules import absolute_path
from venvstacks.definition.report import Report, did_you_mean, quoted
from venvstacks.definition.stack import Bytecode, LocalRuntime, Stack
from venvstacks.definition.tables import describe, read_table
from venvstacks.definition.target_settings import default_macos
from venvstacks.definition.toml_file import read_toml
from venvstacks.definition.uv_settings import read_uv_settings
from venvstacks.errors import DefinitionError

_DEFAULT_LOCAL_RUNTIME: LocalRuntime = "never"
_DEFAULT_BYTECODE: Bytecode = "none"
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
    file = absolute_path(str(path), Path.cwd())
    definition = read_toml(file, report)
    if definition is None:
        return None
    _check_keys(definition, report)
    tool = _table(definition, "tool", report)
    uv, indexes = read_uv_settings(tool, file.parent, environ, report)
    settings = read_table(_table(tool, "venvstacks", report), ToolSettings, report.about("[tool.venvstacks]"))
    surroundings = Surroundings(file.parent, indexes, default_macos(environ, report))
    layers = read_layers(definition, surroundings, report)
    local_runtime = cast("LocalRuntime", settings.text("local-runtime") or _DEFAULT_LOCAL_RUNTIME)
    bytecode = cast("Bytecode", settings.text("bytecode") or _DEFAULT_BYTECODE)
    formats = read_archive_formats(settings.values.get("archive-format", {}), environ, settings.report)
    strict = settings.flag("strict")
    return Stack(file, layers, uv, formats, local_runtime, bytecode, strict, tuple(report.warnings))


def _check_keys(definition: Mapping[str, Any], report: Report) -> None:
    for key in definition:
        if key not in _KNOWN_KEYS:  # it may be for another tool
            hint = did_you_mean(key, _KNOWN_KEYS)
            report.warnings.append(
                f"Top-level key {quoted(key)} is ignored: it is not known{f' ({hint})' if hint else ''}."
            )


def _table(parent: Mapping[str, Any], key: str, report: Report) -> Mapping[str, Any]:
    value = parent.get(key, {})
    if isinstance(value, dict):
        return value
    report.about(f"key {quoted(key)}").add(None, f"expected a table, found {describe(value)}")
    return {}
