from collections.abc import Callable

import pytest

from venvstacks.definition.names import command_problem, name_problem
from venvstacks.definition.stack import LayerKind, Stack

APPLICATION = (
    '\n[[applications]]\nname = "a"\nruntime = "py"\nrequirements = []\nlaunch_module = "a.py"\nplatforms = []'
)


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


@pytest.mark.parametrize(
    ("line", "names", "everything"),
    [
        ("", (), False),
        ("entry_points = false", (), False),
        ("entry_points = []", (), False),
        ("entry_points = true", (), True),
        ('entry_points = ["tool", "Admin"]', ("Admin", "tool"), False),
    ],
)
def test_what_is_asked_for(
    load: Callable[..., Stack], line: str, names: tuple[str, ...], *, everything: bool
) -> None:
    layer = load(f"{APPLICATION}\n{line}").layer("app-a")
    assert (layer.entry_points, layer.all_entry_points) == (names, everything)


@pytest.mark.parametrize(
    "name", ["tool", "f2py", "jupyter-lab", "g++", "pip3.11", "🐸", "two words", "python-config"]
)
def test_usable_names_of_commands(name: str) -> None:
    assert command_problem(name) is None


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 201, "lpt1.x", "pythonw3"])
def test_unusable_names_of_commands(name: str) -> None:
    assert command_problem(name)
