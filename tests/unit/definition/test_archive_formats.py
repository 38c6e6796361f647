from collections.abc import Callable

import pytest

from venvstacks.archives.formats import ArchiveFormat
from venvstacks.definition.stack import ARCHIVE_FORMATS, Stack
from venvstacks.platforms.targets import TARGETS


def setting(value: str) -> str:
    return f"[tool.venvstacks]\narchive-format = {value}" if value else ""


def test_the_names_are_those_of_the_formats() -> None:
    assert tuple(ArchiveFormat) == ARCHIVE_FORMATS


@pytest.mark.parametrize(
    ("value", "variable", "others", "windows"),
    [
        ("", "", "tar.zst", "tar.zst"),
        ('"tar.xz"', "", "tar.xz", "tar.xz"),
        ('{ win_amd64 = "zip" }', "", "tar.zst", "zip"),
        ('"tar.xz"', "tar.gz", "tar.gz", "tar.gz"),
        ('{ win_amd64 = "zip" }', "tar.gz", "tar.gz", "tar.gz"),
        ('"tar.xz"', "win_amd64=zip", "tar.xz", "zip"),
        ("", "tar.gz, win_amd64 = zip", "tar.gz", "zip"),
    ],
)
def test_chosen(load: Callable[..., Stack], value: str, variable: str, others: str, windows: str) -> None:
    formats = load(setting(value), environ={"VENVSTACKS_ARCHIVE_FORMAT": variable}).archive_formats
    assert formats == {**dict.fromkeys(TARGETS, others), "win_amd64": windows}


@pytest.mark.parametrize(
    ("value", "variable", "problem"),
    [
        (
            '"tar.bz2"',
            "",
            (
                "[tool.venvstacks], field 'archive-format': expected one of 'tar.zst', 'tar.xz', 'tar.gz', 'zip', "
                "found 'tar.bz2'"
            ),
        ),
        (
            '{ win32 = "zip" }',
            "",
            "[tool.venvstacks], field 'archive-format': 'win32' is not a target platform (did you mean",
        ),
        ("7", "", "[tool.venvstacks], field 'archive-format': expected a string or a table of strings, found an"),
        (
            "{ win_amd64 = 7 }",
            "",
            "[tool.venvstacks], field 'archive-format': expected a string or a table of strings, found an integer",
        ),
        ("", "zip,win=zip", "environment variable VENVSTACKS_ARCHIVE_FORMAT: 'win' is not a target platform"),
        ("", "rar", "environment variable VENVSTACKS_ARCHIVE_FORMAT: expected one of 'tar.zst', "),
    ],
)
def test_problems(problems: Callable[..., list[str]], value: str, variable: str, problem: str) -> None:
    (found,) = problems(setting(value), environ={"VENVSTACKS_ARCHIVE_FORMAT": variable})
    assert found.startswith(problem)
