import json
from pathlib import Path

import pytest

import venvstacks
from fakes.publications import APPLICATION, FRAMEWORK, PLATFORM, make_publication
from fakes.pushing import Publisher
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.cli import main
from venvstacks.stores.folder import FolderStore
from venvstacks.trust.client import root_hash

STORE = ["store", "--keys", "keys"]


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VENVSTACKS_KEYS", raising=False)
    return Publisher(FolderStore(tmp_path / "store"), tmp_path / "keys")


def test_pushing_and_promoting(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    make_publication(Path("_artifacts"))
    assert main(["push", *STORE, "--release", "1.0"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith(f"Release 1.0 for {PLATFORM}: ")
    assert lines[0].endswith(" uploaded, 0 deltas.")
    assert lines[1] == "No channel leads to it yet: venvstacks promote store --release 1.0 --channel NAME"
    assert lines[2] == f"Hash of the root metadata, which machines need: {root_hash(publisher.root)}"
    assert err.count("    pushed  ") == 3
    assert main(["promote", *STORE, "--release", "1.0", "--channel", "stable"]) == 0
    assert capsys.readouterr().out == "stable -> 1.0  (before: nothing)\n"
    make_publication(Path("other"), {APPLICATION: "2"})
    assert main(["push", *STORE, "--release", "2.0", "--output-dir", "other", "--channel", "stable"]) == 0
    assert "uploaded, 1 delta.\nChannels that lead to it: stable.\n" in capsys.readouterr().out
    assert main(["promote", *STORE, "--release", "1.0", "--channel", "stable", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["channels"] == {"stable": "2.0"}
    assert publisher.catalog().channels == {"stable": "1.0"}
    assert main(["push", *STORE, "--release", "2.0", "--output-dir", "other"]) == 0
    assert f"Release 2.0 for {PLATFORM}: unchanged." in capsys.readouterr().out
    publisher.assert_whole()


def test_dry_run(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    make_publication(Path("_artifacts"))
    assert main(["push", *STORE, "--release", "1.0", "--channel", "stable", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"new  release 1.0 for {PLATFORM}"
    assert [line.split("  ")[1] for line in lines if line.startswith("upload")][:2] == [
        "_artifacts/cpython-3.12.tar.zst",
        "_artifacts/cpython-3.12.tar.zst.index.zst",
    ]
    assert "switch  stable  (from nothing to 1.0)" in lines
    assert main(["push", *STORE, "--release", "1.0", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["platforms"][0]["state"] == "new"
    assert publisher.catalog().entries == ()
    publisher.push(Path("_artifacts"), "1.0")
    make_publication(Path("_artifacts"), {FRAMEWORK: "2"})
    assert main(["push", *STORE, "--release", "2.0", "--dry-run"]) == 0
    delta = f"delta  {FRAMEWORK} for {PLATFORM}  (from release 1.0, if it is worth it)"
    assert delta in capsys.readouterr().out.splitlines()
    assert main(["promote", *STORE, "--release", "1.0", "--channel", "stable", "--dry-run"]) == 0
    assert publisher.catalog().channels == {}


def test_partial_pushes(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    make_publication(Path("linux"))
    make_publication(Path("windows"), platforms=("win_amd64",))
    for name in ("linux", "windows"):
        assert main(["push", *STORE, "--release", "1.0", "--partial", "--output-dir", name]) == 0
        assert "Clients do not see it until it is pushed without --partial." in capsys.readouterr().out
    assert main(["push", *STORE, "--release", "1.0", "--channel", "stable"]) == 0  # there is no _artifacts
    assert f"Release 1.0 for {PLATFORM}, win_amd64" in capsys.readouterr().out
    assert publisher.catalog().channels == {"stable": "1.0"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "No stack is published in"),
        (["--release", "1.0"], 1, "The store has no release 1.0, so that there is nothing to finish."),
        (["--release", "1.0", "--partial"], 2, "No stack is published in"),
        (["--release", "a/b"], 2, "'a/b' cannot name a release or a channel."),
        (["--release", "1", "--partial", "--channel", "x"], 2, "A partial release cannot have channels"),
        (["--release", "1", "--partial", "--installer", "x"], 2, "A partial release has no installer"),
    ],
)
def test_mistakes(
    publisher: Publisher, arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", *STORE, *arguments]) == status
    err = capsys.readouterr().err
    assert message in err
    assert "hint: " in err
    assert publisher.catalog().entries == ()


def test_installers(publisher: Publisher, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_publication(Path("_artifacts"))
    arguments = ["push", *STORE, "--release", "1.0", "--installer", "hello"]
    assert main(arguments) == 1
    assert "--format tar.gz" in capsys.readouterr().err
    assert publisher.catalog().entries == ()  # nothing is pushed that is not all of what was asked for
    make_publication(Path("gz"), kind=ArchiveFormat.TAR_GZ)
    arguments += ["--output-dir", "gz", "--installer-address", "https://store.example.invalid/app"]
    assert main([*arguments, "--channel", "stable"]) == 0
    script = (tmp_path / "store/install.sh").read_text()
    assert "https://store.example.invalid/app" in script
    assert publisher.release("1.0").layers[0].archive.sha256 in script
    (tmp_path / "store/install.sh").write_text("old")
    assert main([*arguments, "--channel", "stable"]) == 0
    assert (tmp_path / "store/install.sh").read_text() == script


def test_verifying(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.push(make_publication(Path("_artifacts")), "1.0")
    assert main(["store", "verify", "store", "--root", "keys/ROOT.json"]) == 0
    assert capsys.readouterr().out.startswith(
        f"{Path.cwd() / 'store'} is as it was signed: 1 release file, 6 blobs of "
    )
    layer = publisher.release("1.0").layers[0]
    path = Path("store", layer.archive.name)
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    assert main(["store", "verify", "store"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"{layer.archive.name}: its content is not what its name says",
        f"1 problem in {Path.cwd() / 'store'}.",
    ]
    assert main(["store", "verify", "store", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["name"] == layer.archive.name
    path.unlink()
    publisher.push(Path("_artifacts"), "1.0")  # as the message says
    assert main(["store", "verify", "store"]) == 0
    assert path.read_bytes() == content
    publisher.assert_whole()


def test_pruning(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("1", "2", "3"):
        publisher.push(make_publication(Path(number), {APPLICATION: number}), f"{number}.0")
    prune = ["store", "prune", *STORE, "--keep", "1"]
    assert main([*prune, "--dry-run"]) == 0
    out = "remove  release 1.0\nremove  release 2.0\n0 files of 0 bytes to delete.\n"
    assert capsys.readouterr().out == out
    assert main([*prune, "--older-than", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"releases": [], "files": 0, "size": 0}
    assert main(prune) == 0
    assert "removed  release 2.0\n" in capsys.readouterr().out
    assert publisher.catalog().versions == ("3.0",)


def test_from_python(publisher: Publisher) -> None:
    make_publication(Path("_artifacts"))
    plan = venvstacks.plan_pushing("store", keys="keys", release="1.0", channels=["stable"])
    pushed = venvstacks.push("store", keys="keys", release="1.0", channels=["stable"])
    assert (plan.version, plan.bytes) == (pushed.version, pushed.uploaded)
    assert venvstacks.verify_store("store").problems == ()
    assert venvstacks.plan_store_pruning("store", keys="keys", keep=3).versions == ()
    assert venvstacks.prune_store("store", keys="keys", keep=3).versions == ()
    assert not venvstacks.promote("store", keys="keys", release="1.0", channels=["stable"]).changes
    with pytest.raises(venvstacks.UsageError, match="is a string, not a collection"):
        venvstacks.push("store", keys="keys", release="1.0", channels="stable")
    assert publisher.catalog().channels == {"stable": "1.0"}
