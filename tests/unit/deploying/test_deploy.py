"""Deploying releases from stores: what it makes, remembers, refuses and leaves alone."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import venvstacks
from fakes.pushed_stores import PushedStore, make_store, publish
from fakes.small_stack import snapshot
from venvstacks.deploying import deploy_run
from venvstacks.deploying.generations import current_number, generation_numbers, read_deployment
from venvstacks.deploying.places import Home
from venvstacks.deploying.prune import Pruned
from venvstacks.errors import (
    BusyError,
    DeploymentError,
    ReleaseError,
    StoreError,
    TrustError,
    UsageError,
    VenvstacksError,
)
from venvstacks.events import Event, Warned
from venvstacks.options import Options


@pytest.fixture
def store(tmp_path: Path) -> PushedStore:
    made = make_store(tmp_path / "store")
    made.push("1", "1")
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deployed"


def first(store: PushedStore, root: Path, **settings: Any) -> venvstacks.Deployed:
    return venvstacks.deploy(store.address, to=root, root=store.root, **settings)


def start(program: Path, *arguments: str) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_from_nothing_then_an_update_then_nothing_new(store: PushedStore, root: Path) -> None:
    done = first(store, root)
    assert (done.release, done.generation, done.changed, done.folder) == ("1", 1, True, root)
    assert start(done.programs["hello"], "x") == "app-hello 1 -P -m hello x"
    assert start(done.programs["two"]) == "app-two 1 -P -m hello"
    store.push("2", {"app-hello": "2"})
    assert start(done.programs["hello"]) == "app-hello 1 -P -m hello"
    plan = venvstacks.plan_deployment(to=root)
    assert plan.changes
    assert [(each.layer, each.way) for each in plan.layers if each.way != "keep"] == [("app-hello", "frames")]
    assert (plan.current_release, plan.release, plan.current_generation) == ("1", "2", 1)
    done = venvstacks.deploy(to=root)
    assert (done.release, done.generation) == ("2", 2)
    assert (done.requests, done.bytes) == (plan.requests, plan.bytes)
    assert start(done.programs["hello"]) == "app-hello 2 -P -m hello"
    assert start(root / "generations" / "1" / "bin" / "hello") == "app-hello 1 -P -m hello"
    before = snapshot(root)
    again = venvstacks.deploy(to=root)
    assert (again.changed, again.release, again.generation) == (False, "2", 2)
    assert again.pruned == Pruned((), (), ())
    assert again.requests <= 3
    assert snapshot(root) == before


def test_a_dry_run_changes_nothing(store: PushedStore, root: Path) -> None:
    plan = venvstacks.plan_deployment(store.address, to=root, root=store.root)
    assert {each.way for each in plan.layers} == {"archive"}
    assert not root.exists()
    done = first(store, root)
    assert (done.bytes, done.requests) == (plan.bytes, plan.requests)
    store.push("2", "2")
    before = snapshot(root)
    assert venvstacks.plan_deployment(to=root).changes
    assert snapshot(root) == before
    assert json.loads(json.dumps(plan.as_json()))["release"] == "1"


def test_what_is_remembered(store: PushedStore, root: Path) -> None:
    store.push("2", "2", channels=("beta",))
    first(store, root, channel="beta", applications=["app-hello"], keep=5)
    remembered = read_deployment(Home(root))
    assert remembered is not None
    assert (remembered.store, remembered.channel, remembered.release) == (store.address, "beta", "")
    assert (remembered.applications, remembered.keep, remembered.signed) == (("hello",), 5, True)
    assert [path.name for path in (root / "bin").iterdir()] == ["hello"]
    assert venvstacks.deploy(to=root, release="1").release == "1"  # stays there
    store.push("3", "3", channels=("beta", "stable"))
    assert not venvstacks.deploy(to=root).changed
    assert venvstacks.deploy(to=root, channel="stable", applications=["*"]).release == "3"
    assert {path.name for path in (root / "bin").iterdir()} == {"hello", "two"}


def test_an_application_less_needs_no_layer_of_it(store: PushedStore, root: Path) -> None:
    first(store, root)
    done = venvstacks.deploy(to=root, applications=["t*"])
    assert list(done.programs) == ["two"]
    assert [path.name for path in (root / "bin").iterdir()] == ["two"]
    assert venvstacks.rollback(root).generation == 1
    assert {path.name for path in (root / "bin").iterdir()} == {"hello", "two"}


def test_old_generations_are_pruned_after_a_switch(store: PushedStore, root: Path) -> None:
    first(store, root, keep=1)
    for version in ("2", "3"):
        store.push(version, {"app-hello": version})
        done = venvstacks.deploy(to=root)
    assert done.pruned is not None
    assert (done.pruned.generations, len(done.pruned.layers)) == ((("", 1),), 1)
    assert generation_numbers(Home(root)) == (2, 3)


def test_a_release_of_equal_content_moves_nothing(store: PushedStore, root: Path) -> None:
    first(store, root)
    store.push("1.1", "1")
    plan = venvstacks.plan_deployment(to=root)
    assert plan.changes
    assert {each.way for each in plan.layers} == {"keep"}
    assert venvstacks.deploy(to=root).release == "1.1"


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"channel": "x"}, ReleaseError, "no channel x"),
        ({"release": "7"}, ReleaseError, "no release 7"),
        ({"applications": ["helo"]}, ReleaseError, "no application 'helo'"),
        ({"platform": "win_amd64"}, ReleaseError, "not for win_amd64"),
        ({"platform": "vax"}, UsageError, "no platform 'vax'"),
        ({"channel": "a", "release": "b"}, UsageError, "A channel and a release"),
        ({"channel": "a b"}, UsageError, "cannot name"),
        ({"keep": 0}, UsageError, "cannot be kept"),
        ({"applications": "hello"}, UsageError, "not a collection"),
        ({"root": "/nowhere/ROOT.json"}, UsageError, "ROOT.json cannot be read"),
        ({"root": "sha256:00"}, TrustError, "no root metadata with the hash"),
        ({"product": "../x"}, UsageError, "cannot name a product"),
    ],
)
def test_what_cannot_be_deployed(
    store: PushedStore, root: Path, settings: dict[str, Any], error: type[VenvstacksError], words: str
) -> None:
    for call in (venvstacks.plan_deployment, venvstacks.deploy):
        with pytest.raises(error, match=words) as caught:
            call(store.address, to=root, **{"root": store.root, **settings})
        assert caught.value.hint
    assert not (root / "current").exists()
    assert not (root / "deployment.json").exists()


def test_nothing_says_which_store(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="its store has to be named"):
        venvstacks.deploy(to=root)
    assert not root.exists()
    with pytest.raises(StoreError):
        venvstacks.deploy(tmp_path / "nothing", to=root)


def test_whom_to_trust_has_to_be_said_once(store: PushedStore, root: Path) -> None:
    with pytest.raises(TrustError, match="--root"):
        venvstacks.deploy(store.address, to=root)
    first(store, root)
    store.push("2", "2")
    assert venvstacks.deploy(store.address, to=root).release == "2"


def test_root_metadata_by_their_hash(store: PushedStore, root: Path) -> None:
    from venvstacks.trust.client import root_hash  # noqa: PLC0415 - only here

    known = root_hash(store.root.read_bytes())
    assert venvstacks.deploy(store.address, to=root, root=known).release == "1"


def test_older_metadata_are_refused(store: PushedStore, root: Path, tmp_path: Path) -> None:
    shutil.copytree(store.folder, tmp_path / "old")
    store.push("2", "2")
    first(store, root)
    shutil.rmtree(store.folder)
    (tmp_path / "old").rename(store.folder)
    before = snapshot(root)
    with pytest.raises(TrustError):
        venvstacks.deploy(to=root)
    assert snapshot(root) == before
    assert start(root / "bin" / "hello").startswith("app-hello 2")


def test_a_store_without_channels_says_how_to_go_on(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    store.push("1", "1", channels=())
    with pytest.raises(UsageError, match="has no channels yet") as caught:
        venvstacks.deploy(store.address, to=tmp_path / "machine", root=store.root)
    assert caught.value.hint is not None
    assert "--release" in caught.value.hint


def test_several_channels_none_of_which_is_stable(store: PushedStore, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other")
    other.push("1", "1", channels=("beta",))
    assert first(other, tmp_path / "a").release == "1"  # the only one
    other.promote("1", "nightly")
    with pytest.raises(UsageError, match="no channel 'stable'") as caught:
        first(other, tmp_path / "b")
    assert "'beta', 'nightly'" in str(caught.value)
    store.promote("1", "beta")
    first(store, tmp_path / "c")
    assert json.loads((tmp_path / "c" / "deployment.json").read_text())["channel"] == "stable"


def warnings(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


def test_an_output_folder_is_believed_and_that_is_said_once(tmp_path: Path, root: Path) -> None:
    output = publish(tmp_path / "output", "1")
    events: list[Event] = []
    options = Options(observe=events.append)
    done = venvstacks.deploy(output, to=root, options=options)
    assert start(done.programs["hello"]) == "app-hello 1 -P -m hello"
    assert [message for message in warnings(events) if "nothing in it is signed" in message]
    publish(output, "2")
    events.clear()
    assert venvstacks.deploy(to=root, options=options).changed
    assert start(done.programs["hello"]) == "app-hello 2 -P -m hello"
    assert warnings(events) == []
    assert not venvstacks.deploy(to=root).changed
    for settings in ({"channel": "stable"}, {"release": "9"}, {"platform": "win_amd64"}):
        with pytest.raises((UsageError, ReleaseError)):
            venvstacks.deploy(to=root, **settings)  # type: ignore[arg-type]


def test_a_signed_store_that_becomes_an_output_folder_is_refused(
    store: PushedStore, root: Path, tmp_path: Path
) -> None:
    first(store, root)
    store.folder.rename(tmp_path / "gone")
    publish(store.folder, "2")
    with pytest.raises(TrustError, match="has no signatures"):
        venvstacks.deploy(to=root)
    with pytest.raises(TrustError, match="has no signatures"):
        venvstacks.deploy(store.address, to=tmp_path / "new", root=tmp_path / "root-store.json")


def test_two_products_share_layers(store: PushedStore, root: Path, tmp_path: Path) -> None:
    first(store, root)
    other = make_store(tmp_path / "acme")
    other.push("7", {"app-third": "7"}, applications=("app-third",))
    before = {path.name for path in (root / "layers").iterdir()}
    done = venvstacks.deploy(other.address, to=root, root=other.root)
    assert done.folder == root / "products" / "acme"
    assert len({path.name for path in (root / "layers").iterdir()} - before) == 1  # app-third alone
    assert start(root / "bin" / "third") == "app-third 7 -P -m hello"
    assert start(done.programs["hello"]) == "app-hello 1 -P -m hello"
    other.push("8", {"app-third": "8"}, applications=("app-third",))
    assert not venvstacks.deploy(to=root).changed
    assert venvstacks.deploy(to=root, product="acme").release == "8"
    assert start(root / "bin" / "third") == "app-third 8 -P -m hello"
    assert venvstacks.rollback(root, product="acme").release == "7"
    assert current_number(Home(root)) == 1
    status = venvstacks.deployment_status(root)
    assert [(each.name, each.current and each.current.release) for each in status.products] == [
        ("", "1"),
        ("acme", "7"),
    ]
    assert status.layers == 5 + 1


def test_a_product_follows_another_address(store: PushedStore, root: Path, tmp_path: Path) -> None:
    first(store, root)
    shutil.copytree(store.folder, tmp_path / "mirror")
    done = venvstacks.deploy(tmp_path / "mirror", to=root, product=".")
    assert not done.changed
    remembered = read_deployment(Home(root))
    assert remembered is not None
    assert remembered.store == str(tmp_path / "mirror")
    foreign = make_store(tmp_path / "foreign")
    foreign.push("9", "9")
    with pytest.raises(TrustError):
        venvstacks.deploy(foreign.address, to=root, product=".")


def test_a_check_before_the_switch(store: PushedStore, root: Path) -> None:
    first(store, root, check='[ "$(hello)" = "app-hello 1 -P -m hello" ]')
    store.push("2", "2")
    with pytest.raises(DeploymentError, match="check of release 2 failed"):
        venvstacks.deploy(to=root, check="exit 1")
    assert (current_number(Home(root)), generation_numbers(Home(root))) == (1, (1,))
    plan = venvstacks.plan_deployment(to=root)
    assert {each.way for each in plan.layers} == {"keep"}  # what was fetched is there
    assert venvstacks.deploy(to=root, check='test "$VENVSTACKS_RELEASE" = 2').generation == 2


def test_a_command_after_the_switch(store: PushedStore, root: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    tell = f'hello >> "{told}"'
    first(store, root, then=tell)
    assert told.read_text() == "app-hello 1 -P -m hello\n"
    venvstacks.deploy(to=root, then=tell)  # nothing is new
    assert told.read_text() == "app-hello 1 -P -m hello\n"
    store.push("2", "2")
    with pytest.raises(DeploymentError, match=r"Release 2 is current in .* ended with exit code 1") as caught:
        venvstacks.deploy(to=root, then="exit 1")
    assert "rollback" in str(caught.value.hint)
    assert current_number(Home(root)) == 2
    store.push("3", "3")
    with pytest.raises(DeploymentError, match="Release 2 is current again"):
        venvstacks.deploy(to=root, then="exit 1", rollback_on_failure=True)
    assert current_number(Home(root)) == 2
    assert start(root / "bin" / "hello").startswith("app-hello 2")


def test_the_command_runs_again_after_going_back(store: PushedStore, root: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = f'echo "$VENVSTACKS_RELEASE" >> "{told}"; test "$VENVSTACKS_RELEASE" = 1'
    first(store, root, then=command)
    store.push("2", "2")
    with pytest.raises(DeploymentError, match=r"Release 1 is current again\.$"):
        venvstacks.deploy(to=root, then=command, rollback_on_failure=True)
    assert told.read_text().split() == ["1", "2", "1"]
    assert not (root / "pending").exists()


def test_a_run_that_is_killed_before_the_command_has_ended_leaves_it_to_the_next(
    store: PushedStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    told = tmp_path / "told"
    command = f'echo "$VENVSTACKS_RELEASE" >> "{told}"'
    with monkeypatch.context() as patch:
        patch.setattr(deploy_run, "run_then", killed)
        with pytest.raises(KeyboardInterrupt):
            first(store, root, then=command)
    assert current_number(Home(root)) == 1
    assert not venvstacks.deploy(to=root).changed  # without a command, it stays so
    assert not venvstacks.deploy(to=root, then=command).changed
    venvstacks.deploy(to=root, then=command)
    assert told.read_text().split() == ["1"]


def test_a_check_that_fails_removes_no_earlier_generation(store: PushedStore, root: Path) -> None:
    first(store, root)
    store.push("2", "2")
    venvstacks.deploy(to=root)
    venvstacks.rollback(root)
    with pytest.raises(DeploymentError, match="check of release 2 failed"):
        venvstacks.deploy(to=root, check="exit 1")
    assert generation_numbers(Home(root)) == (1, 2)
    assert venvstacks.deploy(to=root).generation == 2


def test_the_first_deployment_has_nothing_to_go_back_to(store: PushedStore, root: Path) -> None:
    with pytest.raises(DeploymentError, match="no generation before"):
        first(store, root, then="exit 1", rollback_on_failure=True)
    assert current_number(Home(root)) == 1


def test_the_command_may_use_the_deployment_itself(store: PushedStore, root: Path) -> None:
    from venvstacks.deploying.hold import hold_deployment  # noqa: PLC0415 - only here

    held: list[bool] = []

    def then(*_: object) -> str:
        with hold_deployment(root, wait=False, observe=lambda _: None):
            held.append(True)
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploy_run, "run_then", then)
        first(store, root, then="anything")
    assert held == [True]


def test_another_run_is_not_waited_for_if_so_wanted(store: PushedStore, root: Path) -> None:
    from venvstacks.deploying.hold import hold_deployment  # noqa: PLC0415 - only here

    first(store, root)
    with hold_deployment(root, wait=False, observe=lambda _: None):
        for call in (
            lambda: venvstacks.deploy(to=root, options=Options(wait=False)),
            lambda: venvstacks.rollback(root, options=Options(wait=False)),
            lambda: venvstacks.prune_deployment(root, options=Options(wait=False)),
        ):
            with pytest.raises(BusyError):
                call()
        assert not venvstacks.plan_deployment(to=root).changes  # readers take no lock
        assert venvstacks.deployment_status(root).layers == 4


@pytest.mark.parametrize(("damaged", "number"), [("current", 1), ("generations/1/generation.json", 2)])
def test_a_damaged_document_is_replaced(store: PushedStore, root: Path, damaged: str, number: int) -> None:
    first(store, root)
    (root / damaged).write_text("x")
    events: list[Event] = []
    done = venvstacks.deploy(to=root, options=Options(observe=events.append))
    assert (done.changed, done.generation) == (True, number)
    assert [message for message in warnings(events) if "It is replaced." in message]
    assert start(root / "bin" / "hello").startswith("app-hello 1")


def test_what_was_removed_by_hand_comes_back(store: PushedStore, root: Path) -> None:
    done = first(store, root)
    shutil.rmtree(root / "bin")
    venvstacks.deploy(to=root)
    assert start(done.programs["hello"]).startswith("app-hello 1")
    shutil.rmtree(next((root / "layers").glob("*/app-hello")).parent)
    assert venvstacks.deploy(to=root).changed
    assert start(done.programs["hello"]).startswith("app-hello 1")


def test_a_deployment_that_may_not_be_changed(
    store: PushedStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = first(store, root)
    store.push("2", "2")
    real = os.open

    def refuse(path: Any, flags: int, *more: Any, **others: Any) -> int:
        if str(path).startswith(str(root)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *more, **others)

    monkeypatch.setattr(os, "open", refuse)
    for call in (
        lambda: venvstacks.deploy(to=root),
        lambda: venvstacks.rollback(root),
        lambda: venvstacks.prune_deployment(root),
    ):
        with pytest.raises(DeploymentError, match="cannot be changed: Permission denied") as caught:
            call()
        assert "run the command as root, who owns" in str(caught.value.hint) or "who owns" in str(
            caught.value.hint
        )
    assert start(done.programs["hello"]).startswith("app-hello 1")
    assert venvstacks.deployment_status(root).products[0].current is not None
    assert venvstacks.plan_deployment(to=root).changes


def test_a_name_that_no_program_can_have(store: PushedStore, root: Path) -> None:
    store.push("2", "1", applications=("app--x",))
    with pytest.raises(ReleaseError, match="cannot be installed"):
        first(store, root)
    assert not (root / "current").exists()


def test_options_are_not_shown(store: PushedStore) -> None:
    means = deploy_run.Means(environ={"PASSWORD": "secret"})
    assert "secret" not in repr(means)
    assert replace(means, wait=False).environ == means.environ
    assert store.address
