"""Shells complete commands, options and applications."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from venvstacks.cli import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0
    out, _ = capsys.readouterr()
    assert f"_VENVSTACKS_COMPLETE={shell}_complete" in out
    compile_words = {"bash": "complete -o", "zsh": "compdef", "fish": "complete --no-files"}
    assert f"{compile_words[shell]}" in out


def test_bash_accepts_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "--norc", "-c", f"{script}\ncomplete -p venvstacks"], check=True, capture_output=True, text=True
    )
    assert done.stdout.endswith("venvstacks\n")


def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    """Ask as bash does, with the cursor behind the last letter."""
    monkeypatch.setenv("_VENVSTACKS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert main([]) == 0
    return [answer.rpartition(",")[2] for answer in capsys.readouterr().out.split()]


def test_commands_and_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(monkeypatch, capsys, "venvstacks l") == ["local-export", "lock"]
    assert complete(monkeypatch, capsys, "venvstacks lock --if") == ["--if-needed"]
    assert complete(monkeypatch, capsys, "venvstacks publish --format z") == ["zip"]
    assert complete(monkeypatch, capsys, "venvstacks completion f") == ["fish"]


def make_application(folder: Path, name: str) -> None:
    path = folder / name / "share" / "venv" / "metadata" / "venvstacks_layer.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({}))


def test_applications(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    make_application(tmp_path / "_build", "app-hello")
    make_application(tmp_path / "_build", "app-bye")
    make_application(tmp_path / "export", "app-exported@3")
    monkeypatch.chdir(tmp_path)
    assert complete(monkeypatch, capsys, "venvstacks run h") == ["hello"]
    assert complete(monkeypatch, capsys, "venvstacks run ") == ["bye", "hello"]
    assert complete(monkeypatch, capsys, "venvstacks run --from export ") == ["exported@3"]
    monkeypatch.chdir(tmp_path / "export")
    assert complete(monkeypatch, capsys, "venvstacks run ") == []
    assert complete(monkeypatch, capsys, "venvstacks run --spec ../venvstacks.toml b") == ["bye"]
