"""The formats of archives, as the definition or the environment chooses them."""

from collections.abc import Mapping

from venvstacks.definition.report import Report, listed, quoted
from venvstacks.definition.stack import ARCHIVE_FORMATS, ArchiveFormatName
from venvstacks.definition.target_settings import which_target
from venvstacks.platforms.targets import TARGETS

ARCHIVE_FORMAT = "VENVSTACKS_ARCHIVE_FORMAT"
"""The environment variable that wins over ``archive-format``: ``FORMAT`` or ``PLATFORM=FORMAT,...``."""

_ALL = ""


def read_archive_formats(
    setting: str | Mapping[str, str], environ: Mapping[str, str], settings: Report
) -> dict[str, ArchiveFormatName]:
    """Find the format of the archives for each platform."""
    named = {_ALL: setting} if isinstance(setting, str) else setting
    found: dict[str, ArchiveFormatName] = dict.fromkeys(TARGETS, ARCHIVE_FORMATS[0])
    _choose(found, named, settings, "archive-format")
    if text := environ.get(ARCHIVE_FORMAT, "").strip():
        pairs = (part.rpartition("=") for part in text.split(","))
        named = {name.strip(): value.strip() for name, _, value in pairs}
        _choose(found, named, settings.about(f"environment variable {ARCHIVE_FORMAT}"), None)
    return found


def _choose(
    found: dict[str, ArchiveFormatName], named: Mapping[str, str], report: Report, field: str | None
) -> None:
    for name, value in named.items():
        chosen = next((known for known in ARCHIVE_FORMATS if known == value), None)
        if chosen is None:
            report.add(field, f"expected one of {listed(ARCHIVE_FORMATS)}, found {quoted(value)}")
        elif name == _ALL:
            found.update(dict.fromkeys(TARGETS, chosen))
        elif name in TARGETS:
            found[name] = chosen
        else:
            report.add(field, f"{quoted(name)} is not a target platform", which_target(name))
