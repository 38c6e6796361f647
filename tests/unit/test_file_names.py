import posixpath
from pathlib import Path

import pytest

from venvstacks.file_names import absolute_path, expanded, folded


def test_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expanded(Path("~/x")) == tmp_path / "x"
    assert absolute_path("~/y/../x.py", Path("/other")) == tmp_path / "x.py"


@pytest.mark.parametrize("path", ["~no-such-user/x", "~\0/x"])
def test_what_is_no_home_stays(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", posixpath.expanduser)  # that of Windows takes any name for a user's
    assert expanded(path) == Path(path)
    assert absolute_path(path, tmp_path) == tmp_path / path


def test_folded() -> None:
    assert folded("Torch-2.1") == folded("torch-2.1") != folded("torch-2_1")
    assert folded("caf\u00e9") == folded("cafe\u0301")
    assert folded("a-b") != folded("a_b")
