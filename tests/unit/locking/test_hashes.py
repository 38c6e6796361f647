from pathlib import Path

import pytest

from fakes.definitions import define
from venvstacks.locking.hashes import hash_other_inputs
from venvstacks.platforms.compatibility import PythonVersion

PYTHON = PythonVersion("cpython", "3.12.7")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ({"index": []}, {}, False),
        ({"cache-dir": "x"}, {}, True),
        ({"python-install-mirror": "x"}, {}, True),
        ({"exclude-newer": "2024-01-01"}, {"exclude-newer": "2024-01-02"}, False),
        (
            {"find-links": ["https://a:b@host.example.invalid"]},
            {"find-links": ["https://host.example.invalid"]},
            True,
        ),
        ({"dependency-metadata": [{"name": "a"}]}, {"dependency-metadata": [{"name": "b"}]}, False),
    ],
)
def test_settings_that_count(
    tmp_path: Path, one: dict[str, object], two: dict[str, object], *, same: bool
) -> None:
    def inputs(uv: dict[str, object]) -> str:
        stack = define(tmp_path, uv=uv)
        return hash_other_inputs(stack, stack.layers[0], PYTHON, [])

    assert (inputs(one) == inputs(two)) == same
