"""From a TOML file to a table, with every way in which that fails told in one sentence."""

from pathlib import Path
from typing import Any

from venvstacks.definition.report import Report
from venvstacks.documents import DocumentError, parse_toml


def read_toml(path: Path, report: Report) -> dict[str, Any] | None:
    """Read a TOML file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        report.add(
            None, f"the file is not UTF-8 text (byte {error.start + 1} is 0x{error.object[error.start]:02x})"
        )
    except (OSError, ValueError) as error:  # a null byte in the name is a ValueError
        _report_unreadable(path, error, report)
    else:
        return _parse(text, report)
    return None


def _report_unreadable(path: Path, error: Exception, report: Report) -> None:
    if isinstance(error, FileNotFoundError):
        report.add(None, "the file does not exist")
    elif isinstance(error, OSError) and path.is_dir():
        report.add(
            None, "it is a folder; expected a TOML file", "name the file, for example 'venvstacks.toml' in it"
        )
    else:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        report.add(None, f"the file cannot be read: {reason}")


def _parse(text: str, report: Report) -> dict[str, Any] | None:
    try:
        return parse_toml(text)
    except DocumentError as error:
        report.add(None, f"the file is not valid TOML: {error}")
    return None
