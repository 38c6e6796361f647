"""Layers from web servers that break off, stall, lie and redirect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.deltas import NEW, OLD, full_facts, noise
from fakes.hostile_proxy import HostileProxy, Trouble, hostile_proxy
from fakes.releases import Publisher, provide, publisher
from fakes.store_server import Asked, serve_folder
from venvstacks import files
from venvstacks.deploying.fetch_plan import REQUEST_COST
from venvstacks.deploying.places import Home
from venvstacks.errors import NotInStoreError, StoreError, TrustError
from venvstacks.releases.release_format import ReleaseLayer
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.interface import Store
from venvstacks.stores.web import WebStore

QUICK = Patience(pause=0.001)


@pytest.fixture
def made(tmp_path: Path) -> Publisher:
    return publisher(tmp_path / "published")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "deployed")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[HostileProxy]:
    (tmp_path / "served").mkdir()
    with serve_folder(tmp_path / "served") as server, hostile_proxy(server.url) as proxy:
        yield proxy


def serve(made: Publisher, proxy: HostileProxy, tmp_path: Path) -> Store:
    """Put everything that was published onto the server."""
    for name, data in made.store.contents.items():
        path = tmp_path / "served" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return WebStore(proxy.url, environ={}, patience=QUICK)


def expected(made: Publisher, tmp_path: Path, layer: ReleaseLayer) -> dict[str, object]:
    other = Home(tmp_path / "expected")
    provide(other, made.store, [layer])
    return dict(full_facts(other.place(layer).path))


def once_for(layer: ReleaseLayer, proxy: HostileProxy, *troubles: Trouble) -> None:
    """Make trouble with the first requests for an archive."""
    left = list(troubles)

    def decide(asked: Asked) -> Trouble | None:
        return left.pop(0) if layer.archive.sha256 in asked.path and left else None

    proxy.decide = decide


@pytest.mark.parametrize(
    "troubles",
    [
        [Trouble(cut=10_000), Trouble(cut=10_000)],
        [Trouble(status=503), Trouble(status=500)],
        [Trouble(silent=True)],
        [Trouble(whole=True)],
        [Trouble(chunked=True)],
        [Trouble(unsized=True)],
        [Trouble(cut=20_000), Trouble(whole=True)],
    ],
)
@pytest.mark.parametrize("update", [False, True])
def test_what_can_be_overcome(
    made: Publisher, home: Home, proxy: HostileProxy, tmp_path: Path, troubles: list[Trouble], *, update: bool
) -> None:
    old, new = made.layer("app-a", OLD), made.layer("app-a", NEW)
    store = serve(made, proxy, tmp_path)
    if update:
        provide(home, store, [old])
    once_for(new, proxy, *troubles)
    provide(home, store, [new])
    assert full_facts(home.place(new).path) == expected(made, tmp_path, new)


def test_redirected(made: Publisher, home: Home, proxy: HostileProxy, tmp_path: Path) -> None:
    new = made.layer("app-a", NEW)
    store = serve(made, proxy, tmp_path)
    with serve_folder(tmp_path / "served") as other:
        once_for(new, proxy, Trouble(redirect=other.url))
        provide(home, store, [new])
    assert full_facts(home.place(new).path) == expected(made, tmp_path, new)


@pytest.mark.parametrize(
    "trouble",
    [Trouble(status=404), Trouble(status=403), Trouble(status=500), Trouble(cut=0), Trouble(flip=20_000)],
)
def test_what_cannot_be_overcome_leaves_nothing_behind_but_what_was_fetched(
    made: Publisher, home: Home, proxy: HostileProxy, tmp_path: Path, trouble: Trouble
) -> None:
    new = made.layer("app-a", NEW)
    store = serve(made, proxy, tmp_path)
    proxy.decide = lambda asked: trouble if new.archive.sha256 in asked.path else None
    with pytest.raises(StoreError) as caught:
        provide(home, store, [new])
    assert proxy.url.removeprefix("http://") in str(caught.value)
    assert list(home.layers.iterdir()) == []
    proxy.decide = lambda _: None
    provide(home, store, [new])
    assert full_facts(home.place(new).path) == expected(made, tmp_path, new)
    assert not home.downloads.exists()


def test_damaged_frames_are_fetched_once_more_and_nothing_else(
    made: Publisher, home: Home, proxy: HostileProxy, tmp_path: Path
) -> None:
    new = made.layer("app-a", NEW)
    store = serve(made, proxy, tmp_path)
    once_for(new, proxy, Trouble(flip=20_000))
    with pytest.raises(StoreError):
        provide(home, store, [new])
    before = store.traffic.received
    provide(home, store, [new])
    assert store.traffic.received - before < new.archive.size
    assert full_facts(home.place(new).path) == expected(made, tmp_path, new)


def test_exchanged_indexes_are_refused(made: Publisher, home: Home, proxy: HostileProxy, tmp_path: Path) -> None:
    new, other = made.layer("app-a", NEW), made.layer("app-a", OLD)
    store = serve(made, proxy, tmp_path)
    place = tmp_path / "served/blobs/sha256" / new.index.sha256[:2] / new.index.sha256
    place.write_bytes(made.store.contents[f"blobs/sha256/{other.index.sha256[:2]}/{other.index.sha256}"])
    with pytest.raises((TrustError, StoreError)):
        provide(home, store, [new])
    place.unlink()
    with pytest.raises(NotInStoreError):
        provide(home, store, [new])
    assert not home.root.exists()


def test_several_parts_are_fetched_at_once(
    made: Publisher, home: Home, proxy: HostileProxy, tmp_path: Path
) -> None:
    size = 2 * REQUEST_COST
    old = made.layer("app-a", {f"lib/{number}": noise(size, seed=number) for number in range(10)})
    new = made.layer(
        "app-a", {f"lib/{number}": noise(size, seed=number + number % 2 * 100) for number in range(10)}
    )
    store = serve(made, proxy, tmp_path)
    provide(home, store, [old])
    once_for(new, proxy, Trouble(cut=100), Trouble(status=503))
    planned = provide(home, store, [new])
    assert planned.requests == 6
    assert full_facts(home.place(new).path) == expected(made, tmp_path, new)
    assert max(asked.connection for asked in proxy.asked) > 1
    files.remove_tree(home.place(new).folder)
    once_for(new, proxy, *(Trouble(status=404) for _ in range(30)))
    with pytest.raises(StoreError):
        provide(home, store, [new])
    once_for(new, proxy, *(Trouble(flip=50) for _ in range(30)))
    with pytest.raises(StoreError):
        provide(home, store, [new])
    proxy.decide = lambda _: None
    provide(home, store, [new])
    assert full_facts(home.place(new).path) == expected(made, tmp_path, new)


def test_requests_are_those_of_the_plan(made: Publisher, home: Home, proxy: HostileProxy, tmp_path: Path) -> None:
    old, new = made.layer("app-a", OLD), made.layer("app-a", NEW, delta_from=None)
    store = serve(made, proxy, tmp_path)
    for layer in (old, new):
        before, asked = store.traffic.received, len(proxy.asked)
        planned = provide(home, store, [layer])
        assert store.traffic.received - before == planned.bytes
        assert len(proxy.asked) - asked == planned.requests
    assert files.file_sha256(home.place(new).index) == new.index.sha256
