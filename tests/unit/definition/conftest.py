"""Definition files for the tests of one module."""

from collections.abc import Callable
from pathlib import Path

import pytest

from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Stack
from venvstacks.errors import DefinitionError

RUNTIME = """
[[runtimes]]
name = "py"
python_implementation = "cpython@3.12.7"
requirements = []
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Stack]:
    """Load a definition in an empty folder, with a runtime 'py' before it."""

    def load_text(text: str = "", *, runtime: str = "", environ: dict[str, str] | None = None) -> Stack:
        path = tmp_path / "venvstacks.toml"
        path.write_text(f"{RUNTIME}{runtime}\n{text}", encoding="utf-8")
        return load_stack(path, environ=environ or {})

    return load_text


@pytest.fixture
def problems(load: Callable[..., Stack]) -> Callable[..., list[str]]:
    """Load a definition that cannot be used, and give its problems."""

    def problems_of(text: str = "", **options: str | dict[str, str]) -> list[str]:
        with pytest.raises(DefinitionError) as caught:
            load(text, **options)
        return [str(problem) for problem in caught.value.problems]

    return problems_of
