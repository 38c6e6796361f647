import json
from pathlib import Path

import pytest

from fakes.pythons import tree
from venvstacks.payload import postinstall

CONFIGURATION = {
    "python": "Scripts/python.exe",
    "base_python": "../base/python.exe",
    "pylib_dirs": ["../base/Lib/site-packages"],
    "site_dir": "Lib/site-packages",
}


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a layered environment for Windows, beside its runtime."""
    folder = tmp_path / "app-x"
    (folder / "share" / "venv" / "metadata").mkdir(parents=True)
    (folder / "share" / "venv" / "metadata" / "venvstacks_layer.json").write_text(json.dumps(CONFIGURATION))
    (folder / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    (folder / "Lib" / "site-packages").mkdir(parents=True)
    (folder / "Lib" / "site-packages" / "module.py").touch()
    (tmp_path / "base" / "Lib" / "site-packages").mkdir(parents=True)
    (tmp_path / "base" / "python.exe").touch()
    monkeypatch.setattr(postinstall, "LAYER", folder)
    return folder


def test_the_home_is_written_once(layer: Path) -> None:
    for _ in range(2):
        postinstall.write_home("../base/python.exe")
        assert (layer / "pyvenv.cfg").read_text() == (
            f"home = {(layer.parent / 'base').resolve()}\ninclude-system-site-packages = false\n"
        )
    before = (layer / "pyvenv.cfg").stat().st_ino
    postinstall.write_home("../base/python.exe")
    assert (layer / "pyvenv.cfg").stat().st_ino == before
    assert {path.name for path in layer.iterdir()} == {"pyvenv.cfg", "Lib", "share"}


def test_elsewhere_the_environment_stays_as_it_is(layer: Path) -> None:
    assert postinstall.main(["--no-compile"]) == 0
    assert (layer / "pyvenv.cfg").read_text() == "include-system-site-packages = false\n"
    assert not (layer / "Lib" / "site-packages" / "__pycache__").exists()


def test_what_was_shipped_compiled_is_not_compiled_again(layer: Path) -> None:
    path = layer / "share" / "venv" / "metadata" / "venvstacks_layer.json"
    path.write_text(json.dumps({**CONFIGURATION, "bytecode": "ship"}))
    before = tree(layer)
    assert postinstall.main([]) == 0
    assert tree(layer) == before
    path.write_text(json.dumps(CONFIGURATION))
    assert postinstall.main([]) == 0
    assert (layer / "Lib" / "site-packages" / "__pycache__").is_dir(), "this test shows nothing"


def test_a_read_only_layer_is_said_to_be_one(
    layer: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert postinstall.main([]) == 0
    assert capsys.readouterr().err == "app-x is read-only: modules are not compiled ahead\n"
    assert not (layer / "Lib" / "site-packages" / "__pycache__").exists()
