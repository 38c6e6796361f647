"""``venvstacks deployment verify`` and ``repair``."""

import json
from pathlib import Path

import pytest

from fakes.pushed_stores import RUNTIME, make_store
from venvstacks.cli import main


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Deploy, and return the path of an interpreter."""
    store = make_store(tmp_path / "store")
    store.push("1", "1")
    monkeypatch.chdir(tmp_path)
    assert main(["deploy", "store", "--to", "there", "--root", str(store.root)]) == 0
    capsys.readouterr()
    found = sorted(Path("there/layers").glob(f"*/{RUNTIME}/bin/python"))
    return next(path for path in found if not path.parents[1].is_symlink())


def test_whole(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deployment", "verify", "there"]) == 0
    assert capsys.readouterr().out.startswith("there is as published: 4 layers, ")
    assert main(["deployment", "repair", "there"]) == 0
    assert capsys.readouterr().out == "there is as published, nothing to do\n"
    assert deployed.is_file()


def test_damaged(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.unlink()
    (deployed.parent / "mine.txt").write_text("mine")
    assert main(["deployment", "verify", "there"]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = deployed.relative_to("there").as_posix()
    assert f"   missing  {place}" in lines
    assert lines[-1].startswith("there is not as published: 2 findings (4 layers, ")

    assert main(["deployment", "verify", "there", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert [found["problem"] for found in shown["findings"]] == ["added", "missing"]

    assert main(["deployment", "repair", "there", "--dry-run"]) == 0
    assert "1 file would be repaired" in capsys.readouterr().out
    assert not deployed.exists()

    assert main(["deployment", "repair", "there"]) == 0
    out = capsys.readouterr().out
    assert "there: 1 file repaired, " in out
    assert "moved to there/added/1/layers/" in out
    assert main(["deployment", "verify", "there"]) == 0


def test_repair_as_json(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.write_bytes(b"?")
    assert main(["deployment", "repair", "there", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [layer["replaced"] for layer in shown["layers"]] == [["bin/python"]]
    assert shown["left"] == []


def test_what_cannot_be_repaired(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("there/deployment.json").write_text("{}")
    assert main(["deployment", "repair", "there"]) == 1
    captured = capsys.readouterr()
    assert "changed  deployment.json" in captured.out
    assert "1 finding cannot be repaired" in captured.err
    assert deployed.is_file()


def test_which_generation_is_current_is_told(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("there/current").unlink()
    assert main(["deployment", "repair", "there"]) == 0
    assert "generation 1 is now" in capsys.readouterr().err
    assert deployed.is_file()


def test_no_deployment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deployment", "verify", str(tmp_path)]) == 1
    assert "There is no deployment" in capsys.readouterr().err
