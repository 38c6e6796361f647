"""Runs that change one store at the same time lose nothing of each other."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from fakes.publications import APPLICATION, FRAMEWORK, make_publication
from fakes.pushing import Publisher
from venvstacks.errors import ReleaseError
from venvstacks.releases.release_files import blobs_of
from venvstacks.releasing import push_run
from venvstacks.stores.folder import FolderStore
from venvstacks.stores.interface import Listed
from venvstacks.trust.client import read_trusted


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for others to be done."""
    monkeypatch.setattr(push_run, "settle", lambda: None)


class Scene:
    """A store with releases 1.0 and 2.0 (stable), all of it two days old, and publications for more."""

    def __init__(self, folder: Path, *, conditions: bool = True) -> None:
        self.store = MemoryStore(conditions=conditions)
        self.publisher = Publisher(self.store, folder / "keys")
        self.outputs = {
            "1": make_publication(folder / "1"),
            "2": make_publication(folder / "2", {FRAMEWORK: "2"}),
            "3": make_publication(folder / "3", {APPLICATION: "3"}),
        }
        self.publisher.push(self.outputs["1"], "1.0")
        self.publisher.push(self.outputs["2"], "2.0", ("stable",))
        self._before = dict(self.store.contents)

    def reset(self) -> None:
        """Let the store be as it was."""
        self.store.before_write = str
        self.store.contents = dict(self._before)
        self.store.modified = dict.fromkeys(self._before, 0.0)

    def count_writes(self, run: Callable[[], object]) -> int:
        self.reset()
        before = len(self.store.written)
        run()
        return len(self.store.written) - before

    def disturb(self, run: Callable[[], object], other: Callable[[], object], at: int) -> None:
        """Do something, and just before one of its writes something else from beginning to end."""
        self.reset()
        left = at

        def count(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.store.before_write = str
                other()

        self.store.before_write = count
        run()
        assert left <= 0


def assert_served(scene: Scene, trust: Path, *versions: str) -> None:
    """Check what clients see, and that they can get it."""
    trusted = read_trusted(scene.store, trust, scene.publisher.root)
    assert set(versions) <= set(trusted.catalog.versions)
    scene.publisher.assert_whole()


@pytest.mark.parametrize("conditions", [True, False], ids=["conditions", "no-conditions"])
def test_push_during_a_push(tmp_path: Path, *, conditions: bool) -> None:
    scene = Scene(tmp_path, conditions=conditions)
    one = lambda: scene.publisher.push(scene.outputs["3"], "3.0", ("stable",))  # noqa: E731
    other = lambda: scene.publisher.push(scene.outputs["1"], "4.0", ("beta",))  # noqa: E731
    for at in range(1, scene.count_writes(one) + 1):
        scene.disturb(one, other, at)
        assert_served(scene, tmp_path / f"trust-{at}", "1.0", "2.0", "3.0", "4.0")
        assert scene.publisher.catalog().channels == {"stable": "3.0", "beta": "4.0"}


def test_same_release_at_once(tmp_path: Path) -> None:
    """Whoever is first decides what the release is; the other finds it done, though it has made other deltas."""
    scene = Scene(tmp_path)
    slow = lambda: scene.publisher.push(scene.outputs["3"], "3.0", ("stable",))  # noqa: E731
    quick = lambda: scene.publisher.push(scene.outputs["3"], "3.0", ("beta",), deltas=0)  # noqa: E731
    for at in range(1, scene.count_writes(slow) + 1):
        scene.disturb(slow, quick, at)
        assert_served(scene, tmp_path / f"trust-{at}", "1.0", "2.0", "3.0")
        assert scene.publisher.catalog().channels == {"stable": "3.0", "beta": "3.0"}


def test_other_content_of_the_same_release_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    slow = lambda: scene.publisher.push(scene.outputs["3"], "3.0", ("stable",))  # noqa: E731
    quick = lambda: scene.publisher.push(scene.outputs["1"], "3.0", ("beta",))  # noqa: E731
    count = scene.count_writes(slow)
    last = next(place for place, name in enumerate(scene.store.written[-count:]) if name.startswith("metadata/"))
    for at in range(1, last + 1):
        with pytest.raises(ReleaseError, match=f"with other content .differing: {APPLICATION}"):
            scene.disturb(slow, quick, at)
        assert_served(scene, tmp_path / f"trust-{at}", "1.0", "2.0", "3.0")
        assert scene.publisher.catalog().channels == {"stable": "2.0", "beta": "3.0"}


def test_pruning_during_a_push(tmp_path: Path) -> None:
    """The push relies on blobs of a release that is removed meanwhile, as no channel leads to it."""
    scene = Scene(tmp_path)
    push = lambda: scene.publisher.push(scene.outputs["1"], "3.0", deltas=0)  # noqa: E731
    needed = blobs_of(scene.publisher.release("1.0"))

    replace = scene.store.replace

    def replace_and_look(name: str, data: bytes, tag: str | None) -> None:
        """See that no client is ever told of a release that is not there."""
        replace(name, data, tag)
        if "3.0" in scene.publisher.catalog().versions:
            assert all(blob.name in scene.store.contents for blob in needed)

    scene.store.replace = replace_and_look  # type: ignore[method-assign]
    for at in range(1, scene.count_writes(push) + 1):
        scene.disturb(push, lambda: scene.publisher.prune(0), at)
        assert_served(scene, tmp_path / f"trust-{at}", "2.0", "3.0")


def test_push_during_pruning(tmp_path: Path) -> None:
    """At every moment but between the last look at a blob and its removal."""
    scene = Scene(tmp_path)
    look, looks = scene.store.names, 0
    at = 1
    while at == 1 or looks >= at - 1:
        scene.reset()
        looks = 0

        def names(prefix: str, at: int = at) -> Iterator[Listed]:
            nonlocal looks
            looks += 1
            if looks == at:
                scene.store.names = look  # type: ignore[method-assign]
                scene.publisher.push(scene.outputs["1"], "3.0")
            return look(prefix)

        scene.store.names = names  # type: ignore[method-assign]
        scene.publisher.prune(0)
        scene.store.names = look  # type: ignore[method-assign]
        if looks >= at:
            assert_served(scene, tmp_path / f"trust-{at}", "2.0", "3.0")
        at += 1
    assert at > 10


def test_blob_that_is_deleted_after_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push between the last look at a blob and its removal looks again, and writes it again."""
    scene = Scene(tmp_path)
    scene.reset()
    name = scene.publisher.release("1.0").layers[1].archive.name
    waits, deleted = threading.Event(), threading.Event()

    def settle() -> None:
        waits.set()
        assert deleted.wait(60)

    monkeypatch.setattr(push_run, "settle", settle)
    push = threading.Thread(target=lambda: scene.publisher.push(scene.outputs["1"], "3.0"))

    def write(written: str) -> None:
        if written == name and not push.is_alive() and not waits.is_set():
            push.start()
            assert waits.wait(60)

    scene.store.before_write = write
    scene.publisher.prune(0)
    assert name not in scene.store.contents
    deleted.set()
    push.join()
    assert_served(scene, tmp_path / "trust", "2.0", "3.0")


def test_push_from_several_threads(tmp_path: Path) -> None:
    publisher = Publisher(FolderStore(tmp_path / "store"), tmp_path / "keys")
    outputs = [make_publication(tmp_path / str(number), {APPLICATION: str(number)}) for number in range(5)]
    barrier = threading.Barrier(len(outputs))
    errors: list[BaseException] = []

    def push(number: int) -> None:
        own = Publisher(FolderStore(tmp_path / "store"), tmp_path / "keys")
        barrier.wait()
        try:
            own.push(outputs[number], f"{number}.0", (f"channel-{number}", "stable"))
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    catalog = publisher.catalog()
    assert set(catalog.versions) == {f"{number}.0" for number in range(5)}
    assert {f"channel-{number}" for number in range(5)} < catalog.channels.keys()
    publisher.assert_whole()
