"""Deployments and repairs from servers that stop, stall, break off, lie or redirect, at each request and always.

What was there before keeps running, and the next run ends as if nothing had been.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import venvstacks
from fakes.hostile_proxy import HostileProxy, Trouble, hostile_proxy
from fakes.pushed_stores import PushedStore, make_store
from fakes.store_server import serve_folder
from venvstacks.errors import VenvstacksError
from venvstacks.options import Options
from venvstacks.stores import http_client
from venvstacks.stores.http_attempts import Patience

HOW = Options(jobs=2)
PASSING = {
    "breaks off": Trouble(cut=10),
    "closes": Trouble(silent=True),
    "fails": Trouble(status=500),
    "is busy": Trouble(status=503),
    "has too many clients": Trouble(status=429, headers={"retry-after": "0"}),
    "stalls": Trouble(stall=5),
    "is mute": Trouble(mute=True),
    "returns all instead of a part": Trouble(whole=True),
    "does not say how much": Trouble(unsized=True),
}
HARMLESS = {"returns all instead of a part", "does not say how much"}
LASTING = {
    "has nothing": Trouble(status=404),
    "forbids": Trouble(status=403),
    "lies": Trouble(flip=3),
    "ends early": Trouble(cut=0),
    "redirects to nowhere": Trouble(redirect="http://127.0.0.1:1"),
    "redirects to the rest of the web": Trouble(redirect="ftp://127.0.0.1"),
}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients give up soon."""
    monkeypatch.setattr(http_client, "Patience", lambda: Patience(pause=0.001, stall=0.2))


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> PushedStore:
    """Push two releases, of which the second one differs in an application."""
    made = make_store(tmp_path_factory.mktemp("pushed") / "store")
    made.push("1", "1", channels=("old",))
    made.push("2", {"app-hello": "2"}, channels=("new",))
    return made


@pytest.fixture
def proxy(pushed: PushedStore) -> Iterator[HostileProxy]:
    with serve_folder(pushed.folder) as server, hostile_proxy(server.url) as running:
        yield running


def deploy(proxy: HostileProxy, pushed: PushedStore, root: Path, channel: str) -> venvstacks.Deployed:
    return venvstacks.deploy(proxy.url, to=root, root=pushed.root, channel=channel, options=HOW)


def start(root: Path) -> str:
    """Run an application."""
    return subprocess.run([root / "bin" / "hello"], capture_output=True, text=True, check=True).stdout.split()[1]


def assert_runs(root: Path, release: str) -> None:
    """Check that a deployment is whole, and which release it is."""
    assert venvstacks.verify_deployment(root, options=HOW).findings == ()
    assert start(root) == release


@contextmanager
def may_fail() -> Iterator[list[VenvstacksError]]:
    """Let a block succeed, or fail with a message for people; yield what it failed with."""
    errors: list[VenvstacksError] = []
    try:
        yield errors
    except VenvstacksError as error:
        errors.append(error)
    assert all(error.hint for error in errors)


def damage(root: Path) -> None:
    """Damage files of several layers, and remove one layer."""
    pythons = sorted(path for path in (root / "layers").glob("*/*/bin/python") if not path.parents[1].is_symlink())
    for python in pythons:
        python.write_bytes(b"?")
    shutil.rmtree(pythons[0].parents[1])


@pytest.mark.parametrize("name", [*PASSING, *LASTING])
def test_first_deployment_with_trouble_at_one_request(
    proxy: HostileProxy, pushed: PushedStore, tmp_path: Path, name: str
) -> None:
    deploy(proxy, pushed, tmp_path / "undisturbed", "new")
    requests = len(proxy.asked)
    assert requests > 8
    for number in range(requests):
        root = tmp_path / str(number)
        proxy.once(*[Trouble()] * number, (PASSING | LASTING)[name])
        if name in PASSING:
            deploy(proxy, pushed, root, "new")
        else:
            with may_fail():
                deploy(proxy, pushed, root, "new")
            deploy(proxy, pushed, root, "new")
        assert_runs(root, "2")
        assert not (root / "downloads").exists()
        proxy._planned.clear()


@pytest.mark.parametrize("name", [*PASSING, *LASTING])
def test_update_with_trouble_at_one_request(
    proxy: HostileProxy, pushed: PushedStore, tmp_path: Path, name: str
) -> None:
    old = tmp_path / "old"
    deploy(proxy, pushed, old, "old")
    shutil.copytree(old, tmp_path / "undisturbed", symlinks=True)
    before = len(proxy.asked)
    deploy(proxy, pushed, tmp_path / "undisturbed", "new")
    requests = len(proxy.asked) - before
    assert 3 < requests < 10
    for number in range(requests):
        root = tmp_path / str(number)
        shutil.copytree(old, root, symlinks=True)
        proxy.once(*[Trouble()] * number, (PASSING | LASTING)[name])
        try:
            deploy(proxy, pushed, root, "new")
        except VenvstacksError:
            assert name in LASTING
            assert_runs(root, "1")
            deploy(proxy, pushed, root, "new")
        assert_runs(root, "2")
        proxy._planned.clear()


@pytest.mark.parametrize("name", [*PASSING, *LASTING])
def test_repair_with_trouble_at_one_request(
    proxy: HostileProxy, pushed: PushedStore, tmp_path: Path, name: str
) -> None:
    old = tmp_path / "old"
    deploy(proxy, pushed, old, "old")
    damage(old)
    shutil.copytree(old, tmp_path / "undisturbed", symlinks=True)
    before = len(proxy.asked)
    assert not venvstacks.repair_deployment(tmp_path / "undisturbed", options=HOW).plan.left
    requests = len(proxy.asked) - before
    assert requests > 3
    for number in range(requests):
        root = tmp_path / str(number)
        shutil.copytree(old, root, symlinks=True)
        proxy.once(*[Trouble()] * number, (PASSING | LASTING)[name])
        if name in PASSING:
            assert not venvstacks.repair_deployment(root, options=HOW).plan.left
        else:
            with may_fail():
                venvstacks.repair_deployment(root, options=HOW)
            assert not venvstacks.repair_deployment(root, options=HOW).plan.left
        assert_runs(root, "1")
        assert not (root / "downloads").exists()
        proxy._planned.clear()


@pytest.mark.parametrize("where", ["", "metadata", "targets", "blobs"])
@pytest.mark.parametrize("name", [*sorted(PASSING.keys() - HARMLESS), *LASTING])
def test_trouble_that_does_not_end(
    proxy: HostileProxy, pushed: PushedStore, tmp_path: Path, name: str, where: str
) -> None:
    root = tmp_path / "root"
    deploy(proxy, pushed, root, "old")
    trouble = (PASSING | LASTING)[name]
    proxy.decide = lambda asked: trouble if where in asked.path else None
    with may_fail() as errors:
        deploy(proxy, pushed, root, "new")
    assert errors or name == "breaks off"  # ten bytes at a time
    if errors:
        assert_runs(root, "1")
    proxy.decide = lambda _: None
    deploy(proxy, pushed, root, "new")
    assert_runs(root, "2")


def test_server_that_always_returns_everything(proxy: HostileProxy, pushed: PushedStore, tmp_path: Path) -> None:
    proxy.decide = lambda _: Trouble(whole=True)
    deploy(proxy, pushed, tmp_path / "root", "old")
    deploy(proxy, pushed, tmp_path / "root", "new")
    damage(tmp_path / "root")
    assert not venvstacks.repair_deployment(tmp_path / "root", options=HOW).plan.left
    assert_runs(tmp_path / "root", "2")


def test_server_that_is_gone(pushed: PushedStore, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with serve_folder(pushed.folder) as server:
        venvstacks.deploy(server.url, to=root, root=pushed.root, channel="old", options=HOW)
    with pytest.raises(VenvstacksError, match="127") as caught:
        venvstacks.deploy(to=root, options=HOW)
    assert caught.value.hint
    assert_runs(root, "1")
