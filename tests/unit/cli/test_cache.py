import json
from pathlib import Path

import pytest

from venvstacks import files
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.cli import main


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FrameCache:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("VENVSTACKS_CACHE_LIMIT", "1GB")
    cache = FrameCache(tmp_path / "venvstacks/frames")
    for number in range(3):
        cache.put(files.sha256(b"%d" % number), bytes(1000))
    return cache


def test_info(cache: FrameCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out == f"{cache.folder}: 3 parts, 3.3 kB, limit 1.0 GB\n"
    assert main(["cache", "info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(cache.folder),
        "count": 3,
        "size": cache.measure()[1],
        "limit": 10**9,
    }


def test_info_of_another_folder(cache: FrameCache, capsys: pytest.CaptureFixture[str]) -> None:
    folder = cache.folder.parents[1] / "other"
    assert main(["cache", "info", "--cache-dir", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'frames'}: 0 parts, 0 bytes, limit 1.0 GB\n"
    assert not folder.exists()


def test_prune(cache: FrameCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune"]) == 0
    assert capsys.readouterr().out == "removed 0 parts, 0 bytes\n"
    assert main(["cache", "prune", "--limit", "2.5 kB"]) == 0
    assert capsys.readouterr().out == "removed 1 part, 1.1 kB\n"
    assert cache.measure()[0] == 2
    assert main(["-q", "cache", "prune", "--limit", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert cache.measure()[0] == 0


def test_clear(cache: FrameCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "removed 3 parts, 3.3 kB\n"
    assert cache.measure()[0] == 0


@pytest.mark.parametrize("limit", ["much", "-1", "1 XB", ""])
def test_limits_are_sizes(cache: FrameCache, capsys: pytest.CaptureFixture[str], limit: str) -> None:
    assert main(["cache", "prune", "--limit", limit]) == 2
    assert f"--limit {limit} is not a size" in capsys.readouterr().err
    assert cache.measure()[0] == 3


def test_wrong_variable(
    cache: FrameCache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del cache
    monkeypatch.setenv("VENVSTACKS_CACHE_LIMIT", "lots")
    assert main(["cache", "info"]) == 2
    assert "VENVSTACKS_CACHE_LIMIT is 'lots', which is not a size" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["info", "prune", "clear"])
def test_what_cannot_be_read_is_explained(
    cache: FrameCache, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    cache.clear()
    (cache.folder / "v1").write_bytes(b"in the way")
    assert main(["cache", command]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: Cannot ")
    assert str(cache.folder) in err
