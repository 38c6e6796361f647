"""The modules and packages that an application copies into its layer."""

import os
from collections.abc import Sequence
from pathlib import Path

from venvstacks.spec.model import SourceModule
from venvstacks.spec.report import Report, did_you_mean, quoted
from venvstacks.spec.tables import Table

_LAUNCH = "launch_module"
_SUPPORT = "support_modules"
_SUFFIX = ".py"


def read_modules(
    table: Table, folder: Path, *, must_exist: bool
) -> tuple[SourceModule | None, tuple[SourceModule, ...]]:
    """Find an application's modules.

    Args:
        table: The application; takes what is wrong with its modules.
        folder: What relative paths are relative to.
        must_exist: Whether the layer is made for any platform.

    Returns:
        The launch module (None if there is no usable one) and the support modules.
    """
    launch = table.text(_LAUNCH)
    named = [(_LAUNCH, launch)] if launch is not None else []
    named += [(_SUPPORT, text) for text in table.texts(_SUPPORT)]
    modules = [(field, text, _locate(text, folder)) for field, text in named]
    _report_conflicts(modules, table.report)
    for field, text, module in modules:
        _check_module(field, text, module, table.report, must_exist=must_exist)
    found = [module for field, _, module in modules if field == _LAUNCH]
    return (found[0] if found else None), tuple(module for field, _, module in modules if field == _SUPPORT)


def absolute_path(text: str, folder: Path) -> Path:
    """Give the place that a path in a definition means: ``~`` expanded, normalised without resolving links."""
    return Path(os.path.normpath(folder / os.path.expanduser(text)))  # noqa: PTH111 - Path fails without a home


def _locate(text: str, folder: Path) -> SourceModule:
    path = absolute_path(text, folder)
    return SourceModule(path, path.name.removesuffix(_SUFFIX))


def _report_conflicts(modules: Sequence[tuple[str, str, SourceModule]], report: Report) -> None:
    first: dict[str, tuple[str, SourceModule]] = {}
    for field, text, module in modules:
        # Names that differ only in case are one file on Windows and macOS.
        other, earlier = first.setdefault(module.name.casefold(), (text, module))
        if earlier is not module:
            name = quoted(module.name)
            if earlier.name != module.name:
                name = f"{quoted(earlier.name)} and {name}, which differ only in case,"
            verb = "is" if earlier.name == module.name else "are"
            report.add(
                field,
                f"{name} {verb} the import name of both {quoted(other)} and {quoted(text)}",
                "rename one of them",
            )


def _check_module(field: str, text: str, module: SourceModule, report: Report, *, must_exist: bool) -> None:
    if not text.strip():
        report.add(field, "must not be empty")
    elif not module.name.isidentifier():
        report.add(
            field, f"{quoted(text)} cannot be imported: {quoted(module.name)} is not a valid Python identifier"
        )
    elif not must_exist:
        return
    elif os.path.isfile(module.path):  # noqa: PTH113 - Path raises for names that cannot exist
        if module.path.suffix != _SUFFIX:
            report.add(field, f"{quoted(text)} is a file whose name does not end with {_SUFFIX}")
    elif not os.path.isdir(module.path):  # noqa: PTH112 - as above
        report.add(field, f"{quoted(text)} does not exist beside the definition file", _near(text, module.path))


def _near(text: str, path: Path) -> str | None:
    """Suggest a sibling with a similar name."""
    folder, slash, _ = text.rpartition("/")
    try:
        names = sorted(os.listdir(path.parent))  # noqa: PTH208 - only names are needed
    except (OSError, ValueError):
        return None
    return did_you_mean(path.name, names, before=f"{folder}{slash}")
