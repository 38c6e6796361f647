from pathlib import Path

import pytest

from fakes.definitions import define
from venvstacks.definition.stack import Stack
from venvstacks.errors import UsageError
from venvstacks.selection import extend_selection, match_layers


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return define(
        tmp_path,
        runtimes=[{"name": "py"}, {"name": "py-old"}],
        frameworks=[{"name": "f"}, {"name": "g", "frameworks": ["f"]}, {"name": "Other", "runtime": "py-old"}],
        applications=[{"name": "a", "frameworks": ["g"]}, {"name": "b"}],
    )


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], set()),
        (["py"], {"py"}),
        (["py*"], {"py", "py-old"}),
        (["app-?", "framework-[fg]"], {"app-a", "app-b", "framework-f", "framework-g"}),
        (["*other"], None),
        (["*"], {"py", "py-old", "framework-f", "framework-g", "framework-Other", "app-a", "app-b"}),
    ],
)
def test_patterns(stack: Stack, patterns: list[str], expected: set[str] | None) -> None:
    if expected is None:
        with pytest.raises(UsageError):
            match_layers(stack, patterns)
    else:
        assert match_layers(stack, patterns) == (frozenset(expected), ())


def test_patterns_that_match_nothing(stack: Stack) -> None:
    with pytest.raises(UsageError) as caught:
        match_layers(stack, ["f", "py", "nothing*"])
    assert caught.value.message == ("No layer's build name matches 'f'. No layer's build name matches 'nothing*'.")
    assert (caught.value.hint or "").startswith("the build names are: py, py-old, framework-f, ")
    assert caught.value.exit_code == 2
    names, warnings = match_layers(stack, ["f", "py"], allow_missing=True)
    assert names == {"py"}
    assert warnings == ("No layer's build name matches 'f'.",)


def test_layers_below_and_above(stack: Stack) -> None:
    def around(*names: str, below: bool = False, above: bool = False) -> set[str]:
        return set(extend_selection(stack, names, dependencies=below, derived=above))

    assert around("framework-g") == {"framework-g"}
    assert around("framework-g", below=True) == {"py", "framework-f", "framework-g"}
    assert around("framework-g", above=True) == {"framework-g", "app-a"}
    assert around("framework-f", below=True, above=True) == {"py", "framework-f", "framework-g", "app-a"}
    assert around("py-old", above=True) == {"py-old", "framework-Other"}
    assert around() == set()
