"""Every definition in tests/specs: the valid ones load, the others say what stands beside them."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from venvstacks.definition.loading import load_stack
from venvstacks.definition.schema import Definition
from venvstacks.errors import DefinitionError

SPECS = Path(__file__).parents[2] / "specs"
VALID = sorted((SPECS / "valid").glob("*.toml"))
DOUBTFUL = sorted((SPECS / "doubtful").glob("*.toml"))
INVALID = sorted((SPECS / "invalid").glob("*.toml"))


def name_of(path: Path) -> str:
    return path.stem


def test_there_are_specs() -> None:
    assert len(VALID) >= 9
    assert len(INVALID) >= 70


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_valid(path: Path) -> None:
    assert load_stack(path, environ={}).path == path


@pytest.mark.parametrize("path", DOUBTFUL, ids=name_of)
def test_doubtful(path: Path) -> None:
    expected = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert "".join(f"{warning}\n" for warning in load_stack(path, environ={}).warnings) == expected


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_valid_fits_the_models_of_the_schema(path: Path) -> None:
    msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Definition)


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_invalid(path: Path) -> None:
    expected = path.with_suffix(".txt")
    assert expected.is_file(), f"the expected message is missing: {expected.name}"
    with pytest.raises(DefinitionError) as caught:
        load_stack(path, environ={})
    assert str(caught.value).replace(str(path), path.name) + "\n" == expected.read_text(encoding="utf-8")


def test_no_message_stands_alone() -> None:
    messages = {path.stem for path in SPECS.glob("*/*.txt") if path.parent.name != "modules"}
    assert messages == {path.stem for path in (*INVALID, *DOUBTFUL)}
