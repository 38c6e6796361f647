"""The attacks of the specification of The Update Framework on machines that deploy, each refused.

Each attacker rules the store, and some have stolen keys. A machine that has seen the store before refuses what it
sees then, says why, keeps what it knew, and goes on when the store is itself again.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import Signature
from tuf.api.metadata import MetaFile

from fakes.forging import ROLES, Forger, long_ago
from fakes.hostile_proxy import Trouble, hostile_proxy
from fakes.signed_stores import PLATFORM, SignedStore, make_signed_store, release_file
from fakes.store_server import serve_folder
from venvstacks.errors import StoreError, TrustError, VenvstacksError
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.web import WebStore
from venvstacks.trust.client import read_trusted
from venvstacks.trust.keys import add_key
from venvstacks.trust.repository import refresh_timestamp
from venvstacks.trust.root_edits import adding, replacing, requiring
from venvstacks.trust.root_signing import change_root

Attack = Callable[..., object]
ATTACKS: list[Any] = []


def nothing(signed: Any) -> None:
    """Change nothing of metadata."""


def attack(message: str, **choices: Any) -> Callable[[Attack], Attack]:
    """Register an attack, with what the refusal says."""

    def register(function: Attack) -> Attack:
        name = function.__name__
        if not choices:
            ATTACKS.append(pytest.param(function, message, id=name))
        for key, values in choices.items():
            for value in values:
                bound = lambda forger, key=key, value=value: function(forger, **{key: value})  # noqa: E731
                ATTACKS.append(
                    pytest.param(
                        bound, message, id=f"{name}-{value if isinstance(value, str) else values.index(value)}"
                    )
                )
        return function

    return register


# ---- Arbitrary software: what nobody has signed


@attack("is not the file that its metadata list")
def other_release_file_of_the_same_size(forger: Forger) -> None:
    name = next(name for name in forger.store.contents if name.startswith("targets/") and ".2-" in name)
    forger.put(name, bytes(len(forger.store.contents[name])))


@attack("is not the file that its metadata list")
def shorter_release_file(forger: Forger) -> None:
    name = next(name for name in forger.store.contents if name.startswith("targets/") and ".2-" in name)
    forger.put(name, forger.store.contents[name][:-1])


@attack("to which its metadata lead")
def missing_release_file(forger: Forger) -> None:
    for name in [name for name in forger.store.contents if name.startswith("targets/")]:
        del forger.store.contents[name]


@attack("do not belong together")
def targets_that_nobody_signed(forger: Forger) -> None:
    forger.made.push("3")
    targets = forger.targets()
    forger.evil_target(targets.signed)
    targets.signatures.clear()
    forger.put(forger.name_of("targets"), targets.to_bytes())


@attack("lack valid signatures", role=("targets", "snapshot", "timestamp"))
def metadata_with_own_key(forger: Forger, role: str) -> None:
    change = forger.evil_target if role == "targets" else nothing
    forger.write(role, change, forger.own)


@attack("lack valid signatures", role=("targets", "snapshot", "timestamp"))
def metadata_without_signature(forger: Forger, role: str) -> None:
    metadata = getattr(forger, role)()
    metadata.signed.version += 1
    metadata.signatures.clear()
    forger.write(role, nothing, forger.own)
    data = metadata.to_bytes()
    forger.put(forger.name_of(role), data)
    if role != "timestamp":
        _lead_to(forger, role, metadata.signed.version, data)


def _lead_to(forger: Forger, role: str, version: int, data: bytes) -> None:
    """Let the roles below lead to metadata."""
    if role == "targets":
        snapshot = forger.snapshot()
        snapshot.signed.meta["targets.json"] = MetaFile.from_data(version, data, ["sha256"])
        version, data = snapshot.signed.version, forger.sign(snapshot, [forger.stolen("snapshot")])
        forger.put(f"metadata/{version}.snapshot.json", data)
    timestamp = forger.timestamp()
    timestamp.signed.snapshot_meta = MetaFile.from_data(version, data, ["sha256"])
    forger.put("metadata/timestamp.json", forger.sign(timestamp, [forger.stolen("timestamp")]))


@attack("lack valid signatures", role=("targets", "snapshot", "timestamp"))
def metadata_with_damaged_signature(forger: Forger, role: str) -> None:
    forger.write(role, nothing)
    metadata = getattr(forger, role)()
    keyid, signature = next(iter(metadata.signatures.items()))
    digits = "00" if signature.signature[:2] != "00" else "11"
    metadata.signatures[keyid] = Signature(keyid, digits + signature.signature[2:])
    data = metadata.to_bytes()
    forger.put(forger.name_of(role), data)
    if role != "timestamp":
        _lead_to(forger, role, metadata.signed.version, data)


@attack("lack valid signatures", role=("targets", "snapshot", "timestamp"))
def metadata_with_key_of_another_role(forger: Forger, role: str) -> None:
    others = [forger.stolen(other) for other in ("targets", "snapshot", "timestamp") if other != role]
    forger.write(role, nothing, *others)


@attack("lack valid signatures")
def another_store_in_its_place(forger: Forger) -> None:
    other = make_signed_store(forger.made.folder / "evil")
    other.push("evil")
    forger.store.contents = dict(other.store.contents)


@attack("lack valid signatures", role=("targets", "snapshot", "timestamp"))
def new_root_for_an_own_key(forger: Forger, role: str) -> None:
    def change(root: Any) -> None:
        root.roles[role].keyids = []
        root.add_key(forger.own.public_key, role)

    forger.next_root(change, [forger.stolen(role), forger.own])


# ---- Roots


@attack("lack valid signatures")
def half_signed_root_by_old_keys(forger: Forger) -> None:
    def change(root: Any) -> None:
        root.roles["root"].keyids = []
        root.add_key(forger.own.public_key, "root")

    forger.next_root(change, [forger.stolen("root")])


@attack("lack valid signatures")
def half_signed_root_by_new_keys(forger: Forger) -> None:
    def change(root: Any) -> None:
        root.roles["root"].keyids = []
        root.add_key(forger.own.public_key, "root")

    forger.next_root(change, [forger.own])


@attack("lack valid signatures")
def root_with_lower_threshold_signed_below_the_old_one(forger: Forger) -> None:
    # the root asks for two keys by then, of which one was stolen
    signers, keyid = add_key(forger.made.signers, passphrase=None)
    key = signers.key(keyid)
    change_root(forger.store, signers, adding(key, ["root"]))
    change_root(forger.store, signers, requiring({"root": 2}))
    read_trusted(forger.store, forger.made.folder / "client")
    forger.next_root(lambda root: setattr(root.roles["root"], "threshold", 1), [forger.stolen("root")])


@attack("older metadata than it should")
def root_that_skips_a_version(forger: Forger) -> None:
    root = deepcopy(forger.root())
    root.signed.version += 2
    forger.put(f"metadata/{root.signed.version - 1}.root.json", forger.sign(root, [forger.stolen("root")]))


@attack("older metadata than it should")
def root_that_repeats_a_version(forger: Forger) -> None:
    number = forger.root().signed.version
    forger.put(f"metadata/{number + 1}.root.json", forger.store.contents[f"metadata/{number}.root.json"])


@attack("metadata are damaged")
def root_without_roles(forger: Forger) -> None:
    forger.put("metadata/2.root.json", b'{"signatures": [], "signed": {"_type": "root", "version": 2}}')


# ---- Rollback


@attack("older metadata than it should")
def old_timestamp(forger: Forger) -> None:
    old = forger.store.contents["metadata/timestamp.json"]
    forger.made.push("3")
    forger.made.client()
    forger.put("metadata/timestamp.json", old)


@attack("older metadata than it should")
def old_snapshot_with_stolen_timestamp_key(forger: Forger) -> None:
    old = forger.timestamp().signed.snapshot_meta
    forger.made.push("3")
    forger.made.client()
    forger.write("timestamp", lambda signed: setattr(signed, "snapshot_meta", old))


@attack("older metadata than it should")
def old_targets_with_stolen_online_keys(forger: Forger) -> None:
    old = forger.snapshot().signed.meta
    forger.made.push("3")
    forger.made.client()
    forger.write("snapshot", lambda signed: setattr(signed, "meta", old))


@attack("missing info for 'targets.json'")
def snapshot_without_targets(forger: Forger) -> None:
    forger.write("snapshot", lambda signed: setattr(signed, "meta", {}))


# ---- Freeze


@attack("have expired", role=("targets", "snapshot", "timestamp"))
def expired_metadata(forger: Forger, role: str) -> None:
    forger.write(role, long_ago)


@attack("have expired")
def expired_root(forger: Forger) -> None:
    forger.next_root(long_ago, [forger.stolen("root")])


# ---- Mix and match


@attack("do not belong together")
def snapshot_of_another_moment(forger: Forger) -> None:
    old = forger.store.contents[forger.name_of("snapshot")]
    forger.made.push("3")
    forger.put(forger.name_of("snapshot"), old)


@attack("do not belong together")
def targets_of_another_moment(forger: Forger) -> None:
    old = forger.store.contents[forger.name_of("targets")]
    forger.made.push("3")
    forger.put(forger.name_of("targets"), old)


@attack("older metadata than it should")
def targets_under_another_version(forger: Forger) -> None:
    data = forger.store.contents[forger.name_of("targets")]
    number = forger.targets().signed.version + 1
    forger.put(f"metadata/{number}.targets.json", data)

    def change(signed: Any) -> None:
        signed.meta["targets.json"] = MetaFile.from_data(number, data, ["sha256"])

    forger.write("snapshot", change)


@attack("metadata are damaged", role=("targets", "snapshot", "root"))
def metadata_of_another_role(forger: Forger, role: str) -> None:
    forger.put("metadata/timestamp.json", forger.store.contents[forger.name_of(role)])


@attack("to which its metadata lead", role=("targets", "snapshot"))
def missing_metadata(forger: Forger, role: str) -> None:
    forger.made.push("3")
    del forger.store.contents[forger.name_of(role)]


@attack("is no signed store")
def missing_timestamp(forger: Forger) -> None:
    del forger.store.contents["metadata/timestamp.json"]


# ---- Endless data


@attack("larger than any can be", role=ROLES)
def endless_metadata(forger: Forger, role: str) -> None:
    if role == "root":
        forger.put("metadata/2.root.json", bytes(1 << 20))
        return
    forger.made.push("3")
    name = forger.name_of(role)
    forger.put(name, forger.store.contents[name] + b" " * (17 << 20))


@attack("larger than any can be")
def endless_release_file(forger: Forger) -> None:
    name = next(name for name in forger.store.contents if name.startswith("targets/") and ".2-" in name)
    forger.put(name, forger.store.contents[name] + b" " * (17 << 20))


# ---- Keys


@attack("lack valid signatures", role=("targets", "snapshot", "timestamp"))
def revoked_key(forger: Forger, role: str) -> None:
    stolen = forger.stolen(role)
    signers, keyid = add_key(forger.made.signers, passphrase=None)
    change_root(forger.store, signers, replacing(stolen.public_key.keyid, signers.key(keyid), [role]))
    read_trusted(forger.store, forger.made.folder / "client")
    object.__setattr__(forger.made, "signers", signers)
    forger.write(role, nothing, stolen)


@attack("lack valid signatures", role=("targets", "snapshot", "timestamp"))
def threshold_not_met(forger: Forger, role: str) -> None:
    signers, keyid = add_key(forger.made.signers, passphrase=None)
    change_root(forger.store, signers, adding(signers.key(keyid), [role]))
    change_root(forger.store, signers, requiring({role: 2}))
    read_trusted(forger.store, forger.made.folder / "client")
    forger.write(role, nothing, forger.made.signers.signer(forger.stolen(role).public_key.keyid))


@attack("metadata are damaged")
def one_signature_twice(forger: Forger) -> None:
    signers, keyid = add_key(forger.made.signers, passphrase=None)
    change_root(forger.store, signers, adding(signers.key(keyid), ["timestamp"]))
    change_root(forger.store, signers, requiring({"timestamp": 2}))
    read_trusted(forger.store, forger.made.folder / "client")
    forger.write("timestamp", nothing, forger.stolen("timestamp"))
    document = json.loads(forger.store.contents["metadata/timestamp.json"])
    document["signatures"] *= 2
    forger.put("metadata/timestamp.json", json.dumps(document).encode())


# ---- Damage


@attack(
    "metadata are damaged",
    content=(b"", b"{", b"null", b"[]", b'"x"', b"[" * 10_000, b"\xff\xfe", b'{"signed": {}}', b"1e999"),
)
def damaged_timestamp(forger: Forger, content: bytes) -> None:
    forger.put("metadata/timestamp.json", content)


@attack(
    "list of releases is damaged",
    path=("releases/../../evil.json", "releases/a/b.json", "releases/other-name.json", "releases/1-.json"),
)
def releases_that_lead_elsewhere(forger: Forger, path: str) -> None:
    """Not even a thief of the targets key can lead machines to names outside of the folder of releases."""

    def change(targets: Any) -> None:
        target = next(iter(targets.targets.values()))
        targets.targets = {path: target}

    forger.write("targets", change)


@attack("has format 99")
def catalog_of_a_newer_version(forger: Forger) -> None:
    def change(targets: Any) -> None:
        for target in targets.targets.values():
            target.unrecognized_fields["custom"]["format"] = 99

    forger.write("targets", change)


def read_all(made: SignedStore, client: str) -> tuple[bytes, ...]:
    """Read what a machine reads: the metadata, and the release files of a channel."""
    trusted = read_trusted(made.store, made.folder / client)
    entry = trusted.catalog.find(PLATFORM, channel="stable")
    return (trusted.read_release_file(entry),)


@pytest.mark.parametrize(("attack", "message"), ATTACKS)
def test_attack_is_refused(tmp_path: Path, attack: Attack, message: str) -> None:
    made = make_signed_store(tmp_path, separate=True)
    made.push("1")
    made.push("2")
    made.client()
    forger = Forger(made)
    before = dict(made.store.contents)
    attack(forger)
    with pytest.raises(TrustError) as raised:
        read_all(made, "client")
    assert message in raised.value.message
    assert (
        "is refused" in raised.value.message
        or "is no signed store" in raised.value.message
        or "list of" in message
        or "format" in message
    )
    if any(name.endswith(".root.json") and name not in before for name in made.store.contents):
        return  # machines have seen genuine later roots, or a copy of the forged one is gone with it
    made.store.contents = before
    for version in "4567":  # more than attackers with stolen keys have signed
        made.push(version)
    assert read_all(made, "client") == (release_file("7"),)


def test_number_of_attacks() -> None:
    assert len(ATTACKS) >= 60


def test_machine_that_begins_refuses_another_store(tmp_path: Path) -> None:
    made, evil = make_signed_store(tmp_path), make_signed_store(tmp_path / "evil")
    evil.push("evil")
    with pytest.raises(TrustError, match="lack valid signatures"):
        read_trusted(evil.store, tmp_path / "client", made.root)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("trouble", [Trouble(mute=True), Trouble(stall=20), Trouble(drip=0.02)])
def test_slow_retrieval_ends(tmp_path: Path, role: str, trouble: Trouble) -> None:
    made = make_signed_store(tmp_path)
    for version in ("1", "2"):
        made.push(version)
        made.client()
    made.push("3")
    if role == "root":
        refresh_timestamp(made.store, made.signers, now=datetime.now(UTC) + timedelta(days=200))
    forger = Forger(made)
    asked = f"metadata/{forger.root().signed.version}.root.json" if role == "root" else forger.name_of(role)
    for name, data in made.store.contents.items():
        (tmp_path / "served" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "served" / name).write_bytes(data)
    with serve_folder(tmp_path / "served") as server, hostile_proxy(server.url) as proxy:
        proxy.decide = lambda request: trouble if request.path.endswith(asked) else None
        store = WebStore(proxy.url, environ={}, patience=Patience(pause=0.001, stall=0.2, attempts=2))
        with pytest.raises(StoreError, match=r"nothing was heard|sent only"):
            read_trusted(store, tmp_path / "client")
        proxy.decide = lambda _: None
        assert read_trusted(store, tmp_path / "client").catalog.channels == {"stable": "3"}
        store.close()


@pytest.mark.parametrize("role", ROLES)
def test_endless_data_from_a_server_are_not_fetched(tmp_path: Path, role: str) -> None:
    made = make_signed_store(tmp_path)
    made.client()
    made.push("1")
    for name, data in made.store.contents.items():
        (tmp_path / "served" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "served" / name).write_bytes(data)
    asked = tmp_path / "served" / ("metadata/2.root.json" if role == "root" else Forger(made).name_of(role))
    with asked.open("ab") as file:
        file.truncate(32 << 20)
    with serve_folder(tmp_path / "served") as server:
        store = WebStore(server.url, environ={})
        with pytest.raises(TrustError, match="larger than any can be"):
            read_trusted(store, tmp_path / "client")
        assert store.traffic.received < 1 << 20
        store.close()


@pytest.mark.parametrize("root", [b"", b"{}", b"no root", b'{"signed": {"version": 1, "expires": "2030-01-01"}}'])
def test_what_is_no_root_is_refused(tmp_path: Path, root: bytes) -> None:
    made = make_signed_store(tmp_path)
    with pytest.raises(TrustError):
        read_trusted(made.store, tmp_path / "client", root)
    assert made.client()


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_machines_recover_from_fast_forward_when_keys_are_replaced(tmp_path: Path, role: str) -> None:
    made = make_signed_store(tmp_path, separate=True)
    made.push("1")
    made.client()
    good = dict(made.store.contents)
    forger = Forger(made)
    stolen = forger.stolen(role).public_key.keyid
    forger.write(role, lambda signed: setattr(signed, "version", 1 << 31))
    made.client()  # believed: the key is valid
    made.store.contents = good
    made.push("1.5")
    made.push("2")
    with pytest.raises(TrustError, match="older metadata"):
        made.client()
    signers, keyid = add_key(made.signers, passphrase=None)
    change_root(made.store, signers, replacing(stolen, signers.key(keyid)))
    assert made.client().catalog.channels == {"stable": "2"}
    made.push("3", signers=signers)
    assert made.client().catalog.channels == {"stable": "3"}


def test_old_metadata_do_not_come_back_after_keys_were_replaced(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path, separate=True)
    made.push("1")
    old = dict(made.store.contents)
    made.push("2")
    made.client()
    signers, keyid = add_key(made.signers, passphrase=None)
    stolen = Forger(made).stolen("snapshot").public_key.keyid
    change_root(made.store, signers, replacing(stolen, signers.key(keyid)))
    roots = {name: data for name, data in made.store.contents.items() if ".root." in name}
    made.store.contents = {**old, **roots}
    with pytest.raises(VenvstacksError, match="is refused"):
        made.client()


def test_every_flipped_byte_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    made = make_signed_store(tmp_path, separate=True)
    made.push("1")
    expected = made.client().catalog
    made.push("2")
    newer = made.client(name="other").catalog
    good = dict(made.store.contents)
    refused = 0
    names = [Forger(made).name_of(role) for role in ("timestamp", "snapshot", "targets")]
    for name in names:
        for at in range(0, len(good[name]), 5):
            damaged = bytearray(good[name])
            damaged[at] ^= 1 << at % 7
            made.store.contents = {**good, name: bytes(damaged)}
            try:
                found = read_trusted(made.store, tmp_path / "client", keep=False).catalog
            except TrustError:
                refused += 1
            else:
                assert found in (expected, newer)
    assert refused > 200
