import json
from pathlib import Path

import pytest

from fakes.archiving import facts, pack
from fakes.built_layers import make_tree
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.cli import main


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_tree(tmp_path / "tree", {"bin/run": b"run", "lib/a": b"abc"})
    pack(tmp_path / "tree", tmp_path / "x.tar.zst", ArchiveFormat.TAR_ZST)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "x.tar.zst"


def test_unpacks_side_by_side(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unpack", "x.tar.zst", "--to", "out"]) == 0
    assert facts(archive.parent / "out/app@1") == facts(archive.parent / "tree")
    out, err = capsys.readouterr()
    assert out == "out/app@1  made\n"
    assert err.startswith("  unpacked  app  6 bytes, ")
    assert main(["unpack", "x.tar.zst", "--to", "out", "-v"]) == 0
    assert capsys.readouterr() == ("out/app@1  unchanged\n", " unchanged  app  unchanged\n")
    assert main(["unpack", "-q", "x.tar.zst", "--to", "out"]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_stands_beside_archives_is_skipped(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (archive.parent / "__venvstacks__").mkdir()
    (archive.parent / "app-from-1.vdelta").touch()
    names = [path.name for path in archive.parent.iterdir() if path.name != "tree"]
    assert len(names) == 4
    assert main(["unpack", *names, "--to", "out"]) == 0
    assert capsys.readouterr().out == "out/app@1  made\n"
    names.remove("x.tar.zst")
    assert main(["unpack", *names, "--to", "out"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no archive among ")


def test_data(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unpack", "x.tar.zst", "--to", "out", "--json", "--dry-run"]) == 0
    (planned,) = json.loads(capsys.readouterr().out)
    place = str(archive.parent / "out/app@1")
    assert planned == {
        "archive": "x.tar.zst",
        "layer_name": "app",
        "path": place,
        "size": 6,
        "action": "create",
    }
    assert not (archive.parent / "out").exists()
    assert main(["unpack", "x.tar.zst", "--to", "out", "--json"]) == 0
    (done,) = json.loads(capsys.readouterr().out)
    assert done.pop("content_hash").startswith("sha256:")
    assert done == {"archive": "x.tar.zst", "layer_name": "app", "path": place, "created": True}


def test_dry_run(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unpack", archive.name, "--to", "out", "--dry-run"]) == 0
    assert capsys.readouterr().out == "create  out/app@1  6 bytes\n"
    assert not (archive.parent / "out").exists()


def test_force(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["unpack", archive.name, "--to", "out"])
    (archive.parent / "out/app@1/lib/a").write_bytes(b"other")
    capsys.readouterr()
    assert main(["unpack", archive.name, "--to", "out"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "app@1 is there and holds another 'lib/a'." in err
    assert "hint: use --force to replace it, or choose another folder" in err
    assert main(["unpack", archive.name, "--to", "out", "--force"]) == 0
    assert (archive.parent / "out/app@1/lib/a").read_bytes() == b"abc"


@pytest.mark.parametrize("damage", ["archive", "index", "no index", "no archive"])
def test_damage_is_one_message(archive: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    index = archive.with_name("x.tar.zst.index.zst")
    if damage.startswith("no "):
        (index if damage == "no index" else archive).unlink()
    else:
        path = index if damage == "index" else archive
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert main(["unpack", archive.name, "--to", "out"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert "bug" not in err
    assert not (archive.parent / "out/app@1").exists()


@pytest.mark.parametrize("arguments", [[], ["x.tar.zst"], ["--to", "out"]])
def test_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(["unpack", *arguments]) == 2
    assert "Missing" in capsys.readouterr().err
