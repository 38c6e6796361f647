from collections.abc import Callable
from pathlib import Path

import pytest

from venvstacks.definition.stack import Stack
from venvstacks.definition.uv_settings import is_address

INDEX = '[[index]]\nname = "one"\nurl = "https://one.example.invalid/simple"\n'


def test_no_settings(load: Callable[..., Stack], tmp_path: Path) -> None:
    stack = load()
    assert (stack.uv.table, stack.uv.folder) == ({}, tmp_path)


def test_file_beside_the_definition(load: Callable[..., Stack], tmp_path: Path) -> None:
    (tmp_path / "venvstacks.uv.toml").write_text(INDEX)
    stack = load(runtime='package_indexes = { torch = "one" }')
    assert [index["name"] for index in stack.uv.table["index"]] == ["one"]
    assert stack.warnings == ()


def test_table_wins_over_the_file(load: Callable[..., Stack], tmp_path: Path) -> None:
    (tmp_path / "venvstacks.uv.toml").write_text(INDEX)
    stack = load("[tool.uv]")
    assert stack.uv.table == {}
    assert stack.warnings == ("venvstacks.uv.toml is ignored, because the definition has a [tool.uv] table.",)


def test_problems_of_the_file(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "venvstacks.uv.toml").write_text("index = 1\n")
    assert problems(runtime='package_indexes = { torch = "one" }') == [
        "venvstacks.uv.toml, field 'index': expected an array of tables, found an integer (write [[index]])"
    ]


def test_file_that_is_not_toml(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "venvstacks.uv.toml").write_text("index\n")
    (problem,) = problems(runtime='package_indexes = { torch = "one" }')
    assert problem.startswith("venvstacks.uv.toml: the file is not valid TOML: ")
    assert "line 1" in problem


def test_file_with_the_table_of_a_project(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "venvstacks.uv.toml").write_text('[tool.uv]\nfind-links = ["wheels"]\n')
    (problem,) = problems()
    assert problem.startswith("venvstacks.uv.toml, field 'tool': is not a setting of uv (write the settings at ")


def test_settings_are_kept_as_written(load: Callable[..., Stack]) -> None:
    text = (
        '[tool.uv]\nexclude-newer = "2025-01-01"\nenvironments = "sys_platform == \'linux\'"\n'
        'find-links = ["./wheels", "file:///somewhere"]\ntorch-backend = { x = [1] }\n'
    )
    assert load(text).uv.table == {
        "exclude-newer": "2025-01-01",
        "environments": "sys_platform == 'linux'",
        "find-links": ["./wheels", "file:///somewhere"],
        "torch-backend": {"x": [1]},
    }


def test_addresses_are_never_shown(problems: Callable[..., list[str]]) -> None:
    url = "https://me:secret@files.example.invalid/x.whl"
    found = problems(
        f'[tool.uv]\nindex = [{{ name = "a b", url = "{url}" }}]\n[tool.uv.sources]\nx = {{ url = "{url}" }}\n'
        f'[[frameworks]]\nname = "f"\nruntime = "py"\nrequirements = ["x @ {url}", "git+{url}"]\n'
    )
    assert len(found) == 4
    assert "secret" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://one.example.invalid", True),
        ("file:wheels", True),
        ("http://[", True),
        ("wheels", False),
        ("~/a:b", False),
        ("C:/wheels", False),
    ],
)
def test_addresses_and_paths(text: str, *, expected: bool) -> None:
    assert is_address(text) == expected
