"""``--bytecode`` reaches the stack that commands work on."""

from pathlib import Path

import pytest

from venvstacks.cli import main
from venvstacks.definition import loading
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Bytecode, LocalRuntime

DECLARED = '[tool.venvstacks]\nbytecode = "ship"\n'


@pytest.mark.parametrize("command", ["build", "publish", "local-export"])
def test_the_option_wins_over_the_definition(spec: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    loaded = []

    def load(path: Path, *, local_runtime: LocalRuntime | None, bytecode: Bytecode | None) -> object:
        stack = load_stack(path, local_runtime=local_runtime, bytecode=bytecode)
        loaded.append(stack.bytecode)
        return stack

    monkeypatch.setattr(loading, "load_stack", load)
    runs: list[list[str]] = [[], ["--bytecode", "ship"], ["--bytecode", "none"]]
    for text in (spec.read_text(), DECLARED + spec.read_text()):
        spec.write_text(text)
        for options in runs:
            assert main([command, str(spec), *options, "--show-only"]) == 0
    assert loaded == ["none", "ship", "none", "ship", "ship", "none"]
