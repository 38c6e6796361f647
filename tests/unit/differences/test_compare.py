"""What is told of two sides that are known already."""

from collections.abc import Iterable

import pytest

from venvstacks.archives.codecs import Codec
from venvstacks.archives.index import ArchiveIndex, Frame, IndexEntry
from venvstacks.differences.changes import ChangeStatus, Fetch, FileChange, PackageChange
from venvstacks.differences.compare import compare_states, lacking_size
from venvstacks.differences.snapshots import LayerState
from venvstacks.entries import EntryKind

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64


def file(
    path: str, content: str, size: int = 10, frame: int = 0, offset: int = 0, *, mode: int = 0o644
) -> IndexEntry:
    return IndexEntry(path, EntryKind.FILE, mode, size, "", content * 64, frame, offset)


def link(path: str, target: str) -> IndexEntry:
    return IndexEntry(path, EntryKind.SYMLINK, 0o777, target=target)


def index(
    *entries: IndexEntry, frames: Iterable[tuple[int, int]] = ((100, 1000),), content: str = OLD
) -> ArchiveIndex:
    placed, offset = [], 0
    for size, content_size in frames:
        placed.append(Frame(offset, size, content_size, "f" * 64))
        offset += size
    return ArchiveIndex(
        format=1,
        archive="x",
        archive_size=offset,
        codec=Codec.ZSTD,
        layer_name="app-x",
        install_target="app-x",
        target_platform="linux_x86_64",
        mtime=0,
        content_hash=content,
        frames=tuple(placed),
        entries=entries,
    )


def state(name: str = "app-x", identity: str = OLD, **more: object) -> LayerState:
    facts = {"packages": {}, "files": {}, "archive_size": 1000, **more}
    return LayerState(name, "linux_x86_64", identity, **facts)  # type: ignore[arg-type]


def test_layers_by_name_and_platform() -> None:
    old = [state("a"), state("b"), state("c")]
    new = [state("b"), state("c", NEW), state("d")]
    difference = compare_states(old, new)
    assert [(layer.name, layer.status) for layer in difference.layers] == [
        ("a", ChangeStatus.REMOVED),
        ("b", ChangeStatus.UNCHANGED),
        ("c", ChangeStatus.CHANGED),
        ("d", ChangeStatus.ADDED),
    ]
    assert [layer.fetch for layer in difference.layers] == [
        None,
        None,
        Fetch(1000, None, None),
        Fetch(1000, None, None),
    ]
    assert (difference.archives, difference.least) == (2000, 2000)


def test_single_layers_are_compared_whatever_they_are_called() -> None:
    (layer,) = compare_states([state("a")], [state("b", NEW)]).layers
    assert (layer.name, layer.status) == ("b", ChangeStatus.CHANGED)


def test_packages() -> None:
    old = state(packages={"same": "1", "up": "1.9", "gone": "1"}, files={"same": "a"})
    new = state(identity=NEW, packages={"same": "1", "up": "1.10", "new": "2"}, files={"same": "b"})
    (layer,) = compare_states([old], [new]).layers
    assert layer.packages == (
        PackageChange("gone", "1", None),
        PackageChange("new", None, "2"),
        PackageChange("same", "1", "1"),
        PackageChange("up", "1.9", "1.10"),
    )
    (layer,) = compare_states([state(packages=None)], [new]).layers
    assert layer.packages is None


def test_files() -> None:
    old = index(
        file("same", "a"),
        file("other", "b", 7),
        file("mode", "c"),
        file("gone", "d", 5),
        link("l", "x"),
        file("t", "e"),
    )
    new = index(
        file("same", "a"),
        file("other", "f", 9),
        file("mode", "c", mode=0o755),
        file("new", "0"),
        link("l", "y"),
        link("t", "z"),
    )
    (layer,) = compare_states([state(index=old)], [state(identity=NEW, index=new)]).layers
    assert layer.files == (
        FileChange("gone", 5, None),
        FileChange("l", 0, 0),
        FileChange("mode", 10, 10),
        FileChange("new", None, 10),
        FileChange("other", 7, 9),
        FileChange("t", 10, 0),
    )
    assert layer.unchanged_files == 1
    assert layer.sums() == {
        ChangeStatus.ADDED: (1, 10),
        ChangeStatus.REMOVED: (1, 5),
        ChangeStatus.CHANGED: (4, 19),
    }
    (layer,) = compare_states([state()], [state(identity=NEW, index=new)]).layers
    assert layer.files is None


FRAMES = ((100, 1000), (200, 1000), (300, 1000), (400, 1000))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((), 0),
        ((file("a", "a", 1000, 1),), 0),
        ((file("a", "b", 1000, 1),), 200),
        ((file("a", "b", 1001, 1),), 500),
        ((file("a", "b", 2, 0, 999),), 300),
        ((file("a", "b", 1, 0, 999),), 100),
        ((file("a", "b", 3000, 1), file("b", "c", 10, 3, 5)), 900),
        ((file("a", "b", 0, 1),), 0),
    ],
)
def test_frames_that_a_client_lacks(entries: tuple[IndexEntry, ...], expected: int) -> None:
    assert lacking_size(index(*entries, frames=FRAMES), {"a" * 64}) == expected


def test_what_has_to_be_fetched() -> None:
    old = state(index=index(file("a", "a")))
    new_index = index(file("a", "a"), file("b", "b", 10, 1), frames=FRAMES, content=NEW)
    new = state(identity=NEW, index=new_index, index_size=50, deltas={OLD: 77, "sha256:other": 5})
    (layer,) = compare_states([old], [new]).layers
    assert layer.fetch == Fetch(1000, 250, 77)
    assert layer.fetch.least == 77
    # what another old layer has need not be fetched, and a delta leads from this layer only
    (first, _) = compare_states([state("other", index=index(file("x", "b")))], [new, state("z")]).layers[:2]
    assert (first.name, first.fetch) == ("app-x", Fetch(1000, 150, None))
