import json
import re
import stat
from pathlib import Path

import pytest

from venvstacks.cli import main
from venvstacks.stores.folder import FolderStore
from venvstacks.trust.client import read_trusted, root_hash


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VENVSTACKS_KEYS", "keys")
    return tmp_path


def key_ids(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, list[str]]:
    capsys.readouterr()
    assert main(["store", "keys", "show", "store", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    return {role: [key["keyid"] for key in entry["keys"]] for role, entry in found["roles"].items()}


def test_making_a_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "init", "store"]) == 0
    root = (folder / "keys/ROOT.json").read_bytes()
    assert capsys.readouterr().out == (
        "store is a signed store.\n"
        "Its root metadata, which machines need: keys/ROOT.json\n"
        f"Their hash: {root_hash(root)}\n"
    ).replace("store is", f"{folder / 'store'} is")
    assert stat.S_IMODE((folder / "keys/key.pem").stat().st_mode) == 0o600
    assert not read_trusted(FolderStore(folder / "store"), folder / "trust", root).catalog.entries
    assert main(["store", "init", "store", "--json"]) == 0  # again: nothing happens
    assert json.loads(capsys.readouterr().out)["root_hash"] == root_hash(root)


@pytest.mark.usefixtures("folder")
def test_expiry_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "init", "store", "--timestamp-days", "400", "--snapshot-days", "500"]) == 0
    assert main(["store", "refresh", "store"]) == 0
    capsys.readouterr()
    assert main(["store", "status", "store", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert min(found["expires"], key=found["expires"].get) == "targets"
    assert main(["store", "init", "store", "--timestamp-days", "3"]) == 2
    assert "another expiry: root 365 days, targets 90 days, snapshot 500 days" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_status_of_an_empty_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "init", "store", "--targets-days", "1"]) == 0
    capsys.readouterr()
    assert main(["store", "status", "store", "--root", "keys/ROOT.json"]) == 0
    shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "DATE", capsys.readouterr().out)
    assert shown.splitlines()[1:8] == [
        "  no channels",
        "  no releases",
        "  signatures last until",
        "    DATE UTC  root",
        "    DATE UTC  targets",
        "    DATE UTC  snapshot",
        "    DATE UTC  timestamp",
    ]
    assert shown.splitlines()[8].startswith("  root 1, given root sha256:")
    assert main(["store", "status", "store"]) == 0
    assert "  root 1, first root sha256:" in capsys.readouterr().out


def test_encrypted_keys(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENVSTACKS_KEY_PASSPHRASE", "open sesame")
    assert main(["store", "init", "store", "--separate-keys"]) == 0
    assert b"ENCRYPTED" in (folder / "keys/timestamp.pem").read_bytes()
    assert main(["store", "refresh", "store"]) == 0
    monkeypatch.setenv("VENVSTACKS_KEY_PASSPHRASE", "open barley")
    capsys.readouterr()
    assert main(["store", "refresh", "store"]) == 1
    assert "timestamp.pem cannot be read: its passphrase is another one" in capsys.readouterr().err
    monkeypatch.delenv("VENVSTACKS_KEY_PASSPHRASE")
    monkeypatch.setattr("sys.stdin", None)
    assert main(["store", "refresh", "store"]) == 1
    assert "set VENVSTACKS_KEY_PASSPHRASE" in capsys.readouterr().err


def test_two_holders_of_root_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "init", "store"]) == 0
    assert main(["store", "keys", "make", "--keys", "hers"]) == 0
    (public,) = folder.glob("hers/*.public.json")
    assert main(["store", "keys", "add", "store", "--role", "root", "--public", str(public)]) == 0
    (folder / "hers/ROOT.json").write_bytes((folder / "keys/ROOT.json").read_bytes())
    capsys.readouterr()
    assert main(["store", "keys", "threshold", "store", "2", "--role", "root"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "root: threshold 1 -> 2\nroot 3 waits in the store\n"
    assert "1 signature of the new root keys" in captured.err
    assert main(["store", "status", "store"]) == 0
    assert "store keys sign" in capsys.readouterr().err
    # she signs without network, and sends the file back
    sent = folder / "sent.json"
    sent.write_bytes((folder / "store/metadata/next-root.json").read_bytes())
    assert main(["store", "keys", "sign", "--file", "sent.json", "--keys", "hers"]) == 0
    assert capsys.readouterr().out == "root: threshold 1 -> 2\nsigned: sent.json\n"
    assert main(["store", "keys", "sign", "store", "--file", "sent.json"]) == 0
    assert capsys.readouterr().out.endswith("root 3 is published\n")
    assert main(["store", "keys", "show", "store"]) == 0
    assert "root: 2 of 2 keys" in capsys.readouterr().out


def test_replacing_and_revoking(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "init", "store", "--separate-keys"]) == 0
    (old,) = key_ids(capsys)["timestamp"]
    assert main(["store", "keys", "replace", "store", old[:8]]) == 0
    (new,) = key_ids(capsys)["timestamp"]
    assert new != old
    assert main(["store", "keys", "add", "store", "--role", "timestamp"]) == 0
    assert main(["store", "keys", "revoke", "store", new[:8]]) == 0
    (last,) = key_ids(capsys)["timestamp"]
    assert last not in (old, new)
    root = (folder / "keys/ROOT.json").read_bytes()
    read_trusted(FolderStore(folder / "store"), folder / "trust", root)
    assert main(["store", "keys", "revoke", "store", last[:8]]) == 2
    assert "would have 0 keys, and a threshold of 1" in capsys.readouterr().err
    assert main(["store", "keys", "replace", "store", "zz"]) == 2
    assert "no key beginning with 'zz'" in capsys.readouterr().err


def test_signatures_of_the_same_root_keys_are_asked_for_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "init", "store", "--separate-keys"]) == 0
    (root,) = key_ids(capsys)["root"]
    (folder / "keys/root.pem").unlink()
    assert main(["store", "keys", "add", "store", "--role", "targets"]) == 0
    expected = f"warning: It needs 1 signature of the root keys {root[:8]}.\n"
    assert capsys.readouterr().err == expected


def test_dropping_the_next_root(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "init", "store"]) == 0
    assert main(["store", "keys", "make", "--keys", "hers"]) == 0
    (public,) = folder.glob("hers/*.public.json")
    assert main(["store", "keys", "add", "store", "--role", "root", "--public", str(public)]) == 0
    assert main(["store", "keys", "threshold", "store", "2", "--role", "root"]) == 0
    capsys.readouterr()
    assert main(["store", "keys", "threshold", "store", "2", "--role", "root"]) == 2
    assert "waits in" in capsys.readouterr().err
    assert main(["store", "keys", "drop", "store"]) == 0
    assert main(["store", "keys", "drop", "store"]) == 0
    assert capsys.readouterr().out == "dropped\nno root waits\n"
    assert main(["store", "keys", "sign", "store"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["init", "store", "--key", "file2:a", "--separate-keys"], "--key names keys that there are"),
        (["init", "store", "--key", "nothing"], "'nothing' does not lead to a key"),
        (["init", "store", "--key", "a", "--key", "b"], "2 keys cannot sign for 4 roles"),
        (["keys", "add", "store"], "needs at least one role"),
        (["keys", "threshold", "store", "2"], "needs at least one role"),
        (["keys", "sign"], "nothing to sign"),
        (["refresh", "store"], "is no keys folder"),
        (["status", "store"], "no store in"),
    ],
)
def test_what_cannot_be_done(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["store", *arguments]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (folder / "store").exists()
