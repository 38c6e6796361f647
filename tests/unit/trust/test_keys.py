import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, Signature, Signer

from fakes.memory_store import MemoryStore
from venvstacks.errors import TrustError, UsageError
from venvstacks.trust.client import read_trusted
from venvstacks.trust.keys import (
    add_elsewhere,
    add_key,
    add_public,
    begin_folder,
    load_signers,
    make_keys,
    use_keys,
    write_public,
)
from venvstacks.trust.repository import init_repository, refresh_timestamp

WORD = "open"


class _Service(Signer):
    """A key service in memory; its keys never leave it."""

    keys: ClassVar[dict[str, CryptoSigner]] = {}
    fails = False
    failure: Exception = RuntimeError("the service has no time")

    def __init__(self, name: str, public_key: Key) -> None:
        self._key = self.keys[name]
        self._public = public_key

    @property
    def public_key(self) -> Key:
        return self._public

    @classmethod
    def import_(cls, name: str) -> tuple[str, Key]:
        cls.keys.setdefault(name, CryptoSigner.generate_ed25519())
        return f"service:{name}", cls.keys[name].public_key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: Callable[[str], str] | None = None
    ) -> "_Service":
        del secrets_handler
        return cls(priv_key_uri.removeprefix("service:"), public_key)

    def sign(self, payload: bytes) -> Any:
        if self.fails:
            raise self.failure
        return Signature(self._public.keyid, self._key.sign(payload).signature)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> type[_Service]:
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "service", _Service)
    monkeypatch.setattr(_Service, "fails", False)
    monkeypatch.setattr(_Service, "failure", RuntimeError("the service has no time"))
    return _Service


@pytest.mark.parametrize(
    ("separate", "names"), [(False, ["key"]), (True, ["root", "snapshot", "targets", "timestamp"])]
)
def test_making_keys(tmp_path: Path, *, separate: bool, names: list[str]) -> None:
    old = os.umask(0)
    try:
        signers = make_keys(tmp_path / "keys", separate=separate)
    finally:
        os.umask(old)
    assert sorted(path.stem for path in (tmp_path / "keys").glob("*.pem")) == names
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").glob("*.pem")} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert make_keys(tmp_path / "keys").records == signers.records


def test_keys_that_a_killed_run_has_left_are_used(tmp_path: Path) -> None:
    first = make_keys(tmp_path / "keys", passphrase=WORD)
    (tmp_path / "keys/keys.json").unlink()
    again = make_keys(tmp_path / "keys", passphrase=WORD)
    assert again.records == first.records
    (tmp_path / "keys/keys.json").unlink()
    with pytest.raises(TrustError, match="needs a passphrase"):
        make_keys(tmp_path / "keys")


def test_a_passphrase_is_asked_for_when_it_is_needed(tmp_path: Path) -> None:
    store = MemoryStore()
    init_repository(store, make_keys(tmp_path / "keys", passphrase=WORD))
    asked: list[str] = []

    def ask() -> str:
        asked.append("asked")
        return WORD

    signers = load_signers(tmp_path / "keys", ask)
    assert not asked
    refresh_timestamp(store, signers)
    assert asked == ["asked"]
    with pytest.raises(TrustError, match="its passphrase is another one"):
        refresh_timestamp(store, load_signers(tmp_path / "keys", "shut"))
    with pytest.raises(TrustError, match="none was given"):
        refresh_timestamp(store, load_signers(tmp_path / "keys"))


def test_keys_in_a_service(tmp_path: Path, service: type[_Service]) -> None:
    store = MemoryStore()
    uris = ["service:root", "service:targets", "service:online", "service:online"]
    signers = use_keys(tmp_path / "keys", uris)
    assert [record.roles for record in signers.records] == [("root",), ("targets",), ("snapshot", "timestamp")]
    root = init_repository(store, signers)
    refresh_timestamp(store, load_signers(tmp_path / "keys"))
    assert not list((tmp_path / "keys").glob("*.pem"))
    read_trusted(store, tmp_path / "trust", root)
    more, keyid = add_elsewhere(load_signers(tmp_path / "keys"), "service:more")
    assert more.where(keyid) == "service:more"
    service.fails = True
    with pytest.raises(TrustError, match="cannot sign: Failed to sign: the service has no time"):
        refresh_timestamp(store, load_signers(tmp_path / "keys"))
    service.failure = PermissionError()
    with pytest.raises(TrustError, match=r"cannot sign: PermissionError\.$"):
        refresh_timestamp(store, load_signers(tmp_path / "keys"))
    del service.keys["online"]
    with pytest.raises(TrustError, match="service:online cannot be used"):
        refresh_timestamp(store, load_signers(tmp_path / "keys"))


def test_name_in_a_service_that_leads_to_another_key_by_now(tmp_path: Path, service: type[_Service]) -> None:
    store = MemoryStore()
    init_repository(store, use_keys(tmp_path / "keys", ["service:moved"]))
    before = dict(store.contents)
    service.keys["moved"] = CryptoSigner.generate_ed25519()
    with pytest.raises(TrustError, match="cannot sign: its signature is not valid"):
        refresh_timestamp(store, load_signers(tmp_path / "keys"))
    assert store.contents == before


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("awskms:alias/app", "pip install 'securesystemslib[awskms]'"),
        ("gcpkms:projects/a/b", "pip install 'securesystemslib[gcpkms]'"),
        ("azurekms://vault.vault.azure.net/keys/name", "pip install 'securesystemslib[azurekms]'"),
        ("hsm:2?label=token", "pip install 'securesystemslib[hsm]'"),
        ("hv:app", "pip install 'securesystemslib[vault]'"),
        ("hsm:two", "check the address of the key"),
    ],
)
def test_services_whose_clients_are_missing(tmp_path: Path, uri: str, message: str) -> None:
    with pytest.raises(TrustError) as raised:
        use_keys(tmp_path / "keys", [uri])
    assert message in (raised.value.hint or "")
    assert not (tmp_path / "keys").exists()


def test_pem_files_of_others(tmp_path: Path) -> None:
    pem = tmp_path / "own.pem"
    pem.write_bytes(CryptoSigner.generate_ed25519().private_bytes)
    store = MemoryStore()
    signers = use_keys(tmp_path / "keys", [f"file2:{pem}"])
    read_trusted(store, tmp_path / "trust", init_repository(store, signers))
    with pytest.raises(UsageError, match="2 keys cannot sign for 4 roles"):
        use_keys(tmp_path / "more", [f"file2:{pem}", "file2:b"])


def test_giving_a_public_key_to_somebody_else(tmp_path: Path) -> None:
    hers, keyid = add_key(begin_folder(tmp_path / "hers"), passphrase=None)
    public = write_public(hers, keyid)
    mine, added = add_public(make_keys(tmp_path / "mine"), public)
    assert added == keyid
    assert not mine.holds(keyid)
    assert hers.holds(keyid)
    document = json.loads(public.read_bytes())
    document["keyid"] = mine.records[0].keyid  # which would take the place of mine
    public.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="its ID is not that of the key"):
        add_public(mine, public)
    public.write_text("{}")
    with pytest.raises(UsageError, match="holds no public key"):
        add_public(mine, public)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is damaged"),
        ('{"format": 2}', "newer venvstacks"),
        ('{"format": 1}', "is damaged"),
        (
            '{"format": 1, "keys": [{"keyid": "a", "roles": [], "public": {}, "file": "../evil.pem"}]}',
            "no file name",
        ),
    ],
)
def test_damaged_keys_folder(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(TrustError, match=message):
        load_signers(tmp_path)


def test_no_keys_folder(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="is no keys folder"):
        load_signers(tmp_path)


def test_another_key_in_the_place_of_one(tmp_path: Path) -> None:
    store = MemoryStore()
    init_repository(store, make_keys(tmp_path / "keys"))
    (tmp_path / "keys/key.pem").write_bytes(CryptoSigner.generate_ed25519().private_bytes)
    with pytest.raises(TrustError, match=r"is not the key"):
        refresh_timestamp(store, load_signers(tmp_path / "keys"))
    (tmp_path / "keys/key.pem").write_text("nothing")
    with pytest.raises(TrustError, match="it is damaged"):
        refresh_timestamp(store, load_signers(tmp_path / "keys"))


def test_signing_without_cryptography_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(TrustError, match="needs the package cryptography") as raised:
        make_keys(tmp_path / "keys")
    assert raised.value.hint == "pip install 'venvstacks[push]'"
