from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes.definitions import define
from venvstacks.locking.layer_lock import read_time
from venvstacks.locking.lock_run import choose_time


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06t07:08:09z", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06T07:08:09.123456+02:00", "2024-05-06T05:08:09+00:00"),
        ("2024-05-06T07:08:09", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06", "2024-05-06T00:00:00+00:00"),
    ],
)
def test_the_lock_time_is_the_limit(tmp_path: Path, limit: str, expected: str) -> None:
    stack = define(tmp_path, uv={"exclude-newer": limit})
    assert choose_time(stack, {}) == choose_time(stack, {"UV_EXCLUDE_NEWER": ""}) == expected
    assert choose_time(stack, {"UV_EXCLUDE_NEWER": "2020-01-01"}) == "2020-01-01T00:00:00+00:00"
    assert choose_time(define(tmp_path), {"UV_EXCLUDE_NEWER": limit}) == expected


@pytest.mark.parametrize("limit", ["2 weeks", "P2W", "0001-01-01T00:00:00+14:00", None])
def test_without_a_limit_the_lock_time_is_now(tmp_path: Path, limit: str | None) -> None:
    stack = define(tmp_path, uv={"exclude-newer": limit} if limit else {})
    before = datetime.now(UTC).replace(microsecond=0)
    found = choose_time(stack, {})
    assert before <= read_time(found) <= datetime.now(UTC)
    assert found == read_time(found).replace(microsecond=0).isoformat()
