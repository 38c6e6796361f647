import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.deltas import full_facts, make_pair
from venvstacks.cli import main


@pytest.fixture
def pair_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_pair(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


DELTA = "app@1.from-0123456789abcdef.vdelta"


@pytest.mark.usefixtures("pair_folder")
def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "old.tar.zst", "new.tar.zst"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert re.sub(r"\d+\.\d kB", "N kB", out).splitlines() == [
        "app  linux_x86_64  changed",
        "  files: 6 added (N kB), 5 removed (N kB), 4 changed (N kB), 1 unchanged",
        "  to fetch: archive N kB, missing frames N kB",
        "a client with the old layers fetches N kB; all archives that are new have N kB",
    ]
    assert main(["diff", "-v", "old.tar.zst", "new.tar.zst"]) == 0
    assert "    ~ bin/tool  17 bytes\n    - bin/tool2  0 bytes\n" in capsys.readouterr().out
    assert main(["diff", "old.tar.zst", "old.tar.zst"]) == 0
    assert capsys.readouterr().out == "nothing has changed\n"


def test_data(pair_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--json", "old.tar.zst", "new.tar.zst"]) == 0
    (layer,) = json.loads(capsys.readouterr().out)["layers"]
    assert layer["status"] == "changed"
    assert layer["fetch"]["archive"] == (pair_folder / "new.tar.zst").stat().st_size


@pytest.mark.usefixtures("pair_folder")
def test_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--bytes", "old.tar.zst", "new.tar.zst"]) == 0
    out = capsys.readouterr().out
    assert "the content of 'bin/tool' from byte 15: 31 0a | 30 0a\n" in out
    assert "the mode of 'lib/pkg/same.py': '644' | '755'\n" in out
    assert main(["diff", "--bytes", "--json", "old.tar.zst", "new.tar.zst"]) == 0
    found = {each["where"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["old.tar.zst: the content of 'bin/tool'"] == {
        "where": "old.tar.zst: the content of 'bin/tool'",
        "offset": 15,
        "one": "310a",
        "two": "300a",
    }


def test_nothing_to_compare(pair_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "nowhere", "new.tar.zst"]) == 2
    assert f"{pair_folder / 'nowhere'} is not something that can be compared." in capsys.readouterr().err


def test_patch(pair_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["patch", "old", DELTA, "--to", "made/app"]) == 0
    out, err = capsys.readouterr()
    assert out == "made/app  made\n"
    assert re.match(r"   patched  app  59\.0 kB, of which 52\.\d kB are new, \d\.\d s\n", err)
    assert full_facts(pair_folder / "made/app") == full_facts(pair_folder / "new")
    assert main(["patch", "-q", "old", DELTA, "--to", "quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_patch_that_would_be_done(pair_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["patch", "old", DELTA, "--to", "made", "--dry-run"]) == 0
    assert re.fullmatch(r"create  made  59\.0 kB, of which 52\.\d kB are new\n", capsys.readouterr().out)
    assert main(["patch", "old", DELTA, "--to", "made", "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert not (pair_folder / "made").exists()
    assert main(["patch", "old", DELTA, "--to", "made", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == planned
    assert planned["layer_name"] == "app"
    assert planned["path"] == str(pair_folder / "made")
    assert planned["content_hash"].startswith("sha256:")


def test_patch_of_an_edited_folder(pair_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pair_folder / "old/lib/pkg/same.py").write_bytes(b"edited")
    assert main(["patch", "old", DELTA, "--to", "made"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"error: The delta cannot be applied: {pair_folder}/old/lib/pkg/same.py is not what was published: "
        "it has 6 bytes, and had 900.\nhint: fetch the whole archive, new.tar.zst, and unpack it\n"
    )
    assert not (pair_folder / "made").exists()


def test_patching_needs_no_build_tools(pair_folder: Path) -> None:
    code = (
        "import sys; from venvstacks.cli import main; "
        f"assert main(['patch', '-q', 'old', {DELTA!r}, '--to', 'made']) == 0; "
        "print(sorted(name for name in sys.modules if name.startswith('venvstacks.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=pair_folder, capture_output=True, text=True, check=True
    )
    for room in ("building", "locking", "runtimes", "uv", "publishing"):
        assert f"'venvstacks.{room}" not in done.stdout
