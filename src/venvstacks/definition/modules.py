"""The modules and packages that an application copies into its layer."""

import os
from collections.abc import Sequence
from pathlib import Path

from venvstacks.definition.stack import SourceModule
from venvstacks.definition.tables import Report, Table
from venvstacks.file_names import absolute_path, folded
from venvstacks.humanize import did_you_mean, quoted

_LAUNCH = "launch_module"
_SUPPORT = "support_modules"
_SUFFIX = ".py"


def read_modules(
    table: Table, folder: Path, *, must_exist: bool
) -> tuple[SourceModule | None, tuple[SourceModule, ...]]:
    """Find an application's modules."""
    launch = table.text(_LAUNCH)
    named = [(_LAUNCH, launch)] if launch is not None else []
    named += [(_SUPPORT, text) for text in table.texts(_SUPPORT)]
    modules = [(field, text, _locate(field, text, folder)) for field, text in named]
    _report_conflicts(modules, table.report)
    for field, text, module in modules:
        _check_module(field, text, module, table.report, must_exist=must_exist)
    found = [module for _, _, module in modules]
    return (None, tuple(found)) if launch is None else (found[0], tuple(found[1:]))


def _locate(field: str, text: str, folder: Path) -> SourceModule:
    """Find a module; a launch module becomes a file that ends with .py, as `python -m` finds no other."""
    path = absolute_path(text, folder)
    if field == _LAUNCH and path.suffix != _SUFFIX and os.path.isfile(path):  # noqa: PTH113 - as below
        return SourceModule(path, path.stem, f"{path.stem}{_SUFFIX}")
    return SourceModule(path, path.name.removesuffix(_SUFFIX), path.name)


def _report_conflicts(modules: Sequence[tuple[str, str, SourceModule]], report: Report) -> None:
    first: dict[str, tuple[str, SourceModule]] = {}
    for field, text, module in modules:
        other, earlier = first.setdefault(folded(module.name), (text, module))
        if earlier is module:
            continue
        if earlier.name == module.name:
            message = f"{quoted(module.name)} is the import name of both {quoted(other)} and {quoted(text)}"
            report.add(field, message, "rename one of them")
        else:
            report.warnings.append(
                f"The modules {quoted(other)} and {quoted(text)} of {report.subject} are one where a file system "
                "ignores case."
            )


def _check_module(field: str, text: str, module: SourceModule, report: Report, *, must_exist: bool) -> None:
    if not text.strip():
        report.add(field, "must not be empty")
    elif field == _LAUNCH and "." in module.name:
        why = f"`python -m` takes the dot in {quoted(module.name)} for a package"
        report.add(field, f"{quoted(text)} cannot be started: {why}", "rename it")
    elif must_exist and not os.path.exists(module.path):  # noqa: PTH110 - Path raises for names that cannot exist
        report.add(field, f"{quoted(text)} does not exist beside the definition file", _near(text, module.path))


def _near(text: str, path: Path) -> str | None:
    """Suggest a sibling with a similar name."""
    folder, slash, _ = text.rpartition("/")
    try:
        names = sorted(os.listdir(path.parent))  # noqa: PTH208 - only names are needed
    except (OSError, ValueError):
        return None
    return did_you_mean(path.name, names, before=f"{folder}{slash}")
