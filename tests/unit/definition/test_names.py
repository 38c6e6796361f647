import pytest

from venvstacks.definition.names import file_key, name_problem
from venvstacks.definition.stack import LayerKind


@pytest.mark.parametrize(
    "name", ["py", "py@3.12", "🐍", "a b", "Überbau", "con-1", "framework", "1", "a:b", "con"]
)
def test_usable_names(name: str) -> None:
    assert all(name_problem(kind, name) is None for kind in LayerKind)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\tb", "\u2028", "x" * 300])
def test_unusable_names(name: str) -> None:
    assert all(name_problem(kind, name) for kind in LayerKind)


@pytest.mark.parametrize("name", ["app-x", "Framework-x", ".x", "win_amd64", "__venvstacks__"])
def test_names_that_need_a_prefix(name: str) -> None:
    assert name_problem(LayerKind.RUNTIME, name)
    assert name_problem(LayerKind.FRAMEWORK, name) is None
    assert name_problem(LayerKind.APPLICATION, name) is None


def test_file_key() -> None:
    assert file_key("Torch-2.1") == file_key("torch-2.1") != file_key("torch-2_1")
    assert file_key("caf\u00e9") == file_key("cafe\u0301")
    assert file_key("a-b") != file_key("a_b")
