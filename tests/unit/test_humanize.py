"""Words for numbers."""

import re

import pytest

from venvstacks.humanize import bullets, counted, read_size, size_text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 layers"), (1, "1 layer"), (2, "2 layers"), (1000, "1000 layers")]
)
def test_counted(count: int, text: str) -> None:
    assert counted(count, "layer") == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1049, "1.0 kB"),
        (1050, "1.1 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (41_300_000, "41.3 MB"),
        (999_999_999, "1.0 GB"),
        (1_200_000_000, "1.2 GB"),
        (5_000_000_000_000, "5000.0 GB"),
    ],
)
def test_size_text(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("500", 500),
        ("500 bytes", 500),
        ("1B", 1),
        ("2kB", 2000),
        (" 1.5 GB ", 1_500_000_000),
        ("10g", 10**10),
        ("1 TB", 10**12),
    ],
)
def test_read_size(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1 XB", "1,5 GB", "nan", "1e9"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        read_size(text)


def test_bullets() -> None:
    assert bullets([]) == ""
    assert bullets("ab", 2) == bullets("ab") == "\n  - a\n  - b"
    assert bullets("abc", 1) == "\n  - a\n  and 2 more"
