"""The generated pages are what the program says today."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_command_line_page_is_current(generator: ModuleType) -> None:
    committed = generator.PAGE.read_text(encoding="utf-8")
    assert committed == generator.render(), "run: python3 dev.py docs"


def test_command_line_page_does_not_depend_on_the_terminal(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = generator.render()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert generator.render() == usual


@pytest.mark.parametrize("command", ["show", "lock", "build", "publish", "local-export", "run"])
def test_every_command_has_a_section(generator: ModuleType, command: str) -> None:
    assert f"\n## venvstacks {command}\n" in generator.render()
