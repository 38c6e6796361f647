"""Layers get to where they belong, whatever the way, whole or not at all."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from fakes.deltas import NEW, OLD, Content, full_facts, noise
from fakes.deployed_trees import deployed_difference
from fakes.releases import MTIME, Publisher, plan, provide, publisher
from venvstacks import files
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import decode_index
from venvstacks.archives.pool import frame_pool
from venvstacks.deploying import provide as provide_module
from venvstacks.deploying.fetch_plan import FetchPlan, Way
from venvstacks.deploying.places import Home
from venvstacks.deploying.provide import provide_layers
from venvstacks.errors import FilesystemError, NotInStoreError, StoreError, TrustError, VenvstacksError
from venvstacks.events import Event, Finished, Planned, Progressed, Started, Step, Warned
from venvstacks.releases.release_format import BlobReference, DeltaReference, ReleaseLayer, closure_id
from venvstacks.stores.interface import blob_name
from venvstacks.work import Work

RUNTIME: Content = {"!bin/python": noise(3000, seed=11)}


@pytest.fixture
def made(tmp_path: Path) -> Publisher:
    return publisher(tmp_path / "published")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "deployed")


def difference(home: Home, layer: ReleaseLayer) -> str | None:
    """Return where a layer differs from what was released."""
    place = home.place(layer)
    data = place.index.read_bytes()
    assert files.sha256(data) == layer.index.sha256
    with frame_pool(Work(jobs=2)) as pool:
        return deployed_difference(place.path, decode_index(data, "it"), pool)


def assert_whole(home: Home, *layers: ReleaseLayer) -> None:
    """Check that these layers are there, and that nothing else is."""
    for layer in layers:
        assert difference(home, layer) is None
        folder = home.place(layer).folder
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [".layer", layer.install_target, *layer.below]
        )
        assert sorted(path.name for path in (folder / ".layer").iterdir()) == ["index.zst", "lease"]
        for name in layer.below:
            (below,) = (each for each in layers if each.install_target == name)
            assert (folder / name).readlink() == Path(f"../{below.id}/{name}")
            assert (folder / name).samefile(home.place(below).path)
    assert sorted(path.name for path in home.layers.iterdir()) == sorted(layer.id for layer in layers)
    assert not home.downloads.exists()


def only(plan: FetchPlan, target: str, way: Way) -> FetchPlan:
    """Let a layer take one way, with no other to fall back on."""
    layers = [
        replace(planned, options=tuple(option for option in planned.options if option.way is way))
        if planned.layer.install_target == target
        else planned
        for planned in plan.layers
    ]
    return FetchPlan(tuple(layers))


@pytest.mark.parametrize("kind", ArchiveFormat)
@pytest.mark.parametrize("jobs", [1, 3])
def test_whole_archives(tmp_path: Path, home: Home, kind: ArchiveFormat, jobs: int) -> None:
    made = publisher(tmp_path / "made", kind)
    runtime = made.layer("runtime", RUNTIME)
    app = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime, app], Work(jobs=jobs))
    assert_whole(home, runtime, app)


@pytest.mark.parametrize("kind", ArchiveFormat)
@pytest.mark.parametrize("way", [Way.DELTA, Way.FRAMES, Way.ARCHIVE])
@pytest.mark.parametrize("later", [0, 86400])
def test_every_way_makes_the_same(tmp_path: Path, home: Home, kind: ArchiveFormat, way: Way, later: int) -> None:
    made = publisher(tmp_path / "made", kind)
    old = made.layer("app-a", OLD)
    provide(home, made.store, [old])
    new = made.layer("app-a", NEW, delta_from=old, mtime=MTIME + later)
    planned = only(plan(home, made.store, [new]), "app-a", way)
    before = made.store.traffic.received
    asked = made.store.traffic.requests
    provide_layers(planned, home, made.store, Work(jobs=3 if later else 1))
    assert_whole(home, old, new)
    assert made.store.traffic.received - before == planned.layers[0].options[0].bytes
    assert made.store.traffic.requests - asked == planned.layers[0].options[0].requests


def test_equal_content_is_shared(made: Publisher, home: Home) -> None:
    runtime, other = made.layer("runtime", RUNTIME), made.layer("runtime", {**RUNTIME, "lib/more": b"more"})
    app, moved = made.layer("app-a", OLD, [runtime]), made.layer("app-a", OLD, [other])
    provide(home, made.store, [runtime, app])
    before = made.store.traffic.received
    planned = provide(home, made.store, [other, moved])
    assert planned.layers[1].way is Way.COPY
    assert made.store.traffic.received - before == planned.bytes
    for layer in (runtime, app, other, moved):
        assert difference(home, layer) is None
    assert made.store.traffic.requests == 4 + planned.requests


@pytest.mark.parametrize(("error", "shared"), [(errno.EXDEV, False), (errno.EMLINK, False), (None, True)])
def test_files_are_linked_or_copied_where_there_are_no_clones(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch, error: int | None, *, shared: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(error or errno.ENOTSUP, "no")

    monkeypatch.setattr(files, "clone", refuse)
    if error is not None:
        monkeypatch.setattr(os, "link", refuse)
    old = made.layer("framework-a", {f"lib/{number}": b"%d" % number for number in range(300)})
    provide(home, made.store, [old])
    new = made.layer("framework-b", {f"lib/{number}": b"%d" % number for number in range(300)})
    assert provide(home, made.store, [new]).layers[0].way is Way.COPY
    assert difference(home, new) is None
    paths = [
        entry.relative_to(home.place(old).path) for entry in home.place(old).path.rglob("*") if entry.is_file()
    ]
    same = [(home.place(old).path / path).samefile(home.place(new).path / path) for path in paths]
    assert sum(same) >= len(same) - 4 if shared else not any(same)  # a file a thread finds out


@pytest.mark.parametrize(("later", "shared"), [(86400, True), (-86400, False)])
def test_files_with_earlier_times_are_shared(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch, later: int, *, shared: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "no")

    monkeypatch.setattr(files, "clone", refuse)
    old = made.layer("app-a", {f"lib/{number}": b"%d" % number for number in range(300)})
    provide(home, made.store, [old])
    new = made.layer("app-a", {f"lib/{number}": b"%d" % number for number in range(1, 301)}, mtime=MTIME + later)
    newest = made.layer("app-a", {f"lib/{number}": b"%d" % number for number in range(2, 302)}, mtime=MTIME + 1)
    for layer in (new, newest):
        seen: list[Event] = []
        provide(home, made.store, [layer], Work(observe=seen.append, jobs=1))
        assert warnings_of(seen) == []
    assert_whole(home, old, new, newest)
    first, second = (home.place(layer).path / "lib/7" for layer in (old, new))
    assert first.samefile(second) is shared


def test_copies_are_made_with_plain_reads_where_the_system_has_nothing_else(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    old = made.layer("app-a", OLD)
    provide(home, made.store, [old])
    new = made.layer("app-a", NEW, mtime=MTIME + 1)
    provide(home, made.store, [new])
    assert_whole(home, old, new)


def test_events_tell_what_is_done(made: Publisher, home: Home) -> None:
    runtime = made.layer("runtime", RUNTIME)
    app = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime])
    seen: list[Event] = []
    provide(home, made.store, [runtime, app], Work(observe=seen.append, jobs=1))
    total = sum(len(data) for data in OLD.values() if isinstance(data, bytes))
    assert seen[0] == Planned(Step.DEPLOY, ("runtime", "app-a"))
    assert isinstance(seen[1], Finished)
    assert (seen[1].layer, seen[1].changed) == ("runtime", False)
    assert seen[2] == Started(Step.DEPLOY, "app-a")
    assert seen[-2] == Progressed(Step.DEPLOY, "app-a", total, total)
    assert isinstance(seen[-1], Finished)
    assert (seen[-1].layer, seen[-1].changed, seen[-1].summary) == ("app-a", True, "fetched")


# --- what is there is not what it should be


def warnings_of(seen: list[Event]) -> list[str]:
    return [event.message for event in seen if isinstance(event, Warned)]


def update(made: Publisher, home: Home, new: ReleaseLayer, *others: ReleaseLayer) -> list[str]:
    seen: list[Event] = []
    provide(home, made.store, [*others, new], Work(observe=seen.append, jobs=2))
    assert difference(home, new) is None
    return warnings_of(seen)


def damage(path: Path, how: str) -> None:
    info = path.lstat()
    content = path.read_bytes()
    path.unlink()
    if how == "gone":
        return
    if how == "folder":
        path.mkdir()
    elif how == "link":
        path.with_name("elsewhere").write_bytes(content)
        path.symlink_to("elsewhere")
    elif how == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(content + b"x" if how == "longer" else b"y" + content[1:])
        path.chmod(info.st_mode & 0o777)
        if how == "same time":
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


NOTICED = ["changed", "longer", "gone", "folder", "link", "fifo"]
HOWS = [*NOTICED, "same time"]


@pytest.mark.parametrize("how", HOWS)
def test_changed_files_under_a_delta(made: Publisher, home: Home, how: str) -> None:
    old = made.layer("app-a", OLD)
    provide(home, made.store, [old])
    new = made.layer("app-a", NEW, delta_from=old)
    damage(home.place(old).path / "lib/large.so", how)
    warnings = update(made, home, new)
    assert len(warnings) == 1
    assert warnings[0].startswith("app-a cannot be made with a delta: The delta cannot be applied: ")
    assert warnings[0].endswith(" Another way is tried.")


@pytest.mark.parametrize("how", NOTICED)
def test_changed_files_are_fetched(made: Publisher, home: Home, how: str) -> None:
    old = made.layer("app-a", OLD)
    provide(home, made.store, [old])
    new = made.layer("app-a", NEW)
    damage(home.place(old).path / "lib/moves.dat", how)
    warnings = update(made, home, new)
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{home.place(old).path}/lib/moves.dat is not what was published: ")
    assert warnings[0].endswith("(and 1 more files like that) It is fetched for app-a instead.")


@pytest.mark.parametrize("how", NOTICED)
def test_changed_files_of_a_layer_of_equal_content(made: Publisher, home: Home, how: str) -> None:
    runtime, other = made.layer("runtime", RUNTIME), made.layer("runtime", {**RUNTIME, "lib/more": b"more"})
    app, moved = made.layer("app-a", OLD, [runtime]), made.layer("app-a", OLD, [other])
    provide(home, made.store, [runtime, app])
    damage(home.place(app).path / "lib/large.so", how)
    warnings = update(made, home, moved, other)
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{home.place(app).path}/lib/large.so is not what was published: ")
    assert warnings[0].endswith(" It is fetched for app-a instead.")


def remove_index(folder: Path) -> None:
    (folder / ".layer/index.zst").unlink()


def damage_index(folder: Path) -> None:
    (folder / ".layer/index.zst").write_bytes(b"nonsense")


def other_index(folder: Path) -> None:
    (other,) = (each for each in folder.parent.iterdir() if (each / "runtime/bin").is_dir() and each != folder)
    shutil.copyfile(other / ".layer/index.zst", folder / ".layer/index.zst")


@pytest.mark.parametrize("how", [remove_index, damage_index, other_index])
def test_folders_that_are_not_whole_layers_are_replaced(
    made: Publisher, home: Home, how: Callable[[Path], None]
) -> None:
    runtime = made.layer("runtime", RUNTIME)
    app = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime, app])
    how(home.place(app).folder)
    warnings = update(made, home, app, runtime)
    assert len(warnings) == 1
    assert str(home.place(app).folder) in warnings[0]
    assert_whole(home, runtime, app)


def test_links_that_are_gone_or_lead_elsewhere(made: Publisher, home: Home) -> None:
    runtime = made.layer("runtime", RUNTIME)
    app = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime, app])
    link = home.place(app).folder / "runtime"
    link.unlink()
    provide(home, made.store, [runtime, app])
    assert_whole(home, runtime, app)
    link.unlink()
    link.symlink_to("/elsewhere")
    provide(home, made.store, [runtime, app])
    assert_whole(home, runtime, app)


# --- the store is not what it should be


def break_blob(made: Publisher, sha256: str, how: str) -> None:
    name = blob_name(sha256)
    data = made.store.contents[name]
    if how == "missing":
        del made.store.contents[name]
    elif how == "short":
        made.store.contents[name] = data[: len(data) // 2]
    else:
        place = len(data) // 2
        made.store.contents[name] = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_broken_deltas_are_not_needed(made: Publisher, home: Home, how: str) -> None:
    old = made.layer("app-a", OLD)
    provide(home, made.store, [old])
    new = made.layer("app-a", NEW, delta_from=old)
    break_blob(made, new.deltas[0].sha256, how)
    (warning,) = update(made, home, new)
    assert warning.startswith("app-a cannot be made with a delta: ")
    assert_whole(home, old, new)


@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_broken_archives_are_told(made: Publisher, home: Home, how: str) -> None:
    runtime = made.layer("runtime", RUNTIME)
    app = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime])
    break_blob(made, app.archive.sha256, how)
    with pytest.raises(StoreError, match="app-a cannot be fetched from memory:store") as caught:
        provide(home, made.store, [runtime, app])
    assert caught.value.hint
    assert_whole_but_downloads(home, runtime)
    made.layer("app-a", OLD, [runtime])  # the same bytes under the same name are published once more
    made.put((made.folder / app.archive_name).read_bytes())
    provide(home, made.store, [runtime, app])
    assert_whole(home, runtime, app)


def assert_whole_but_downloads(home: Home, *layers: ReleaseLayer) -> None:
    files.remove_tree(home.downloads)
    assert_whole(home, *layers)


@pytest.mark.parametrize("blob", ["archive", "delta"])
def test_what_a_store_does_not_return_is_no_reason_for_another_way(made: Publisher, home: Home, blob: str) -> None:
    old = made.layer("app-a", OLD)
    provide(home, made.store, [old])
    new = made.layer("app-a", NEW, delta_from=old if blob == "delta" else None)
    sha256 = new.deltas[0].sha256 if blob == "delta" else new.archive.sha256
    break_blob(made, sha256, "short")
    with pytest.raises(StoreError, match="ends too early"):
        provide(home, made.store, [new])
    assert_whole_but_downloads(home, old)


def other_layer(layer: ReleaseLayer, **changes: Any) -> ReleaseLayer:
    changed = structs.replace(layer, **changes)
    identity = closure_id(changed.install_target, changed.content_hash, [])
    return structs.replace(changed, closure_id=identity)


def test_indexes_of_other_layers_are_refused(made: Publisher, home: Home) -> None:
    app, other = made.layer("app-a", OLD), made.layer("app-b", NEW)
    foreign = made.layer("app-a", OLD, platform="win_amd64")
    forged = [
        other_layer(app, index=other.index),
        other_layer(app, index=BlobReference(app.index.sha256, app.index.size + 1)),
        other_layer(app, layer_name="app-x"),
        other_layer(app, install_target="app-x"),
        other_layer(app, archive_name="other.tar.zst"),
        other_layer(app, archive=BlobReference(app.archive.sha256, app.archive.size + 1)),
        other_layer(app, content_hash=other.content_hash),
        foreign,
    ]
    for layer in forged:
        with pytest.raises(TrustError, match="is refused: its index ") as caught:
            provide(home, made.store, [layer])
        assert caught.value.hint
    assert not home.root.exists()


@pytest.mark.parametrize("how", ["missing", "wrong", "short"])
def test_broken_indexes_are_refused(made: Publisher, home: Home, how: str) -> None:
    app = made.layer("app-a", OLD)
    break_blob(made, app.index.sha256, how)
    expected = NotInStoreError if how == "missing" else TrustError
    with pytest.raises(expected):
        provide(home, made.store, [app])
    assert not home.root.exists()


def test_deltas_of_other_layers_are_refused(made: Publisher, home: Home) -> None:
    old, other_old = made.layer("app-a", OLD), made.layer("app-b", {"other": noise(5000, seed=41)})
    provide(home, made.store, [old, other_old])
    new = made.layer("app-a", NEW, delta_from=old)
    foreign = made.layer("app-b", {"other": noise(5000, seed=41), "one": b"more"}, delta_from=other_old)
    (wrong,) = foreign.deltas
    forged = structs.replace(new, deltas=(DeltaReference(wrong.sha256, wrong.size, old.content_hash),))
    (warning,) = update(made, home, forged)
    assert "A delta to app-a is refused: it says layer 'app-b', and the release 'app-a'." in warning


# --- the disk is not what it should be


def test_too_little_space_is_told_before_anything_is_written(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = made.layer("app-a", OLD)
    planned = plan(home, made.store, [app])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, planned.disk - 1))
    with pytest.raises(FilesystemError, match=r"The layers need .* are free") as caught:
        provide_layers(planned, home, made.store, Work())
    assert caught.value.hint
    assert not home.root.exists()


def test_full_disk_leaves_nothing_of_what_was_begun(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = made.layer("runtime", RUNTIME)
    app = made.layer("app-a", OLD, [runtime])
    provide(home, made.store, [runtime])
    write = files.write_all

    def full(descriptor: int, data: bytes | memoryview) -> None:
        if len(data) > 4000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_all", full)
        with pytest.raises(FilesystemError, match="No space left") as caught:
            provide(home, made.store, [runtime, app])
    assert caught.value.hint
    assert_whole(home, runtime)
    provide(home, made.store, [runtime, app])
    assert_whole(home, runtime, app)


def test_where_no_links_can_be_made_layers_below_are_copied(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = made.layer("runtime", RUNTIME)
    framework = made.layer("framework-a", {"lib/f": b"f"}, [runtime])
    app = made.layer("app-a", OLD, [framework, runtime])
    monkeypatch.setattr("venvstacks.deploying.staged_layer.make_link", lambda *_: False)
    provide(home, made.store, [runtime])
    provide(home, made.store, [runtime, framework, app])
    place = home.place(app)
    for below in (runtime, framework):
        beside = place.folder / below.install_target
        assert not beside.is_symlink()
        assert full_facts(beside) == full_facts(home.place(below).path)
    found = plan(home, made.store, [runtime, framework, app])
    assert [planned.way for planned in found.layers] == [Way.KEEP] * 3  # the copies are not taken for the layer
    provide(home, made.store, [runtime, framework, app])


# --- earlier runs


def cut_off(made: Publisher, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store's connection break after so many bytes of an answer."""
    stream = made.store.stream

    def broken(name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        data = b"".join(stream(name, start, size))
        for place in range(0, min(after, len(data)), 1000):
            yield data[place : min(place + 1000, after)]
        if len(data) > after:
            raise StoreError("The connection broke.")

    monkeypatch.setattr(made.store, "stream", broken)


@pytest.mark.parametrize("way", [Way.ARCHIVE, Way.DELTA])
def test_what_has_arrived_is_not_fetched_again(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    old = made.layer("app-a", OLD)
    if way is Way.DELTA:
        provide(home, made.store, [old])
    new = made.layer("app-a", NEW, delta_from=old)
    planned = only(plan(home, made.store, [new]), "app-a", way)
    blob = new.archive if way is Way.ARCHIVE else new.deltas[0]
    with monkeypatch.context() as patched:
        cut_off(made, blob.size // 2, patched)
        with pytest.raises(StoreError, match="The connection broke"):
            provide_layers(planned, home, made.store, Work(jobs=2))
    (left,) = home.downloads.iterdir()
    assert left.name == blob.sha256
    before = made.store.traffic.received
    provide_layers(planned, home, made.store, Work(jobs=2))
    assert made.store.traffic.received - before < blob.size * 0.75
    assert difference(home, new) is None
    assert not home.downloads.exists()


@pytest.mark.parametrize("way", [Way.ARCHIVE, Way.DELTA])
def test_what_has_arrived_is_not_believed(made: Publisher, home: Home, way: Way) -> None:
    old = made.layer("app-a", OLD)
    if way is Way.DELTA:
        provide(home, made.store, [old])
    new = made.layer("app-a", NEW, delta_from=old)
    planned = only(plan(home, made.store, [new]), "app-a", way)
    blob = new.archive if way is Way.ARCHIVE else new.deltas[0]
    home.downloads.mkdir(parents=True)
    (home.downloads / blob.sha256).write_bytes(bytes(blob.size + 10))
    provide_layers(planned, home, made.store, Work(jobs=2))
    assert difference(home, new) is None


def test_layers_that_a_killed_run_has_made_are_not_fetched_again(
    made: Publisher, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = made.layer("app-a", OLD)

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(provide_module, "make_durable", killed)
        with pytest.raises(KilledError):
            provide(home, made.store, [app])
    before = made.store.traffic.received
    planned = plan(home, made.store, [app])
    assert [(each.way, each.bytes) for each in planned.layers] == [(Way.FRAMES, 0)]
    (stage,) = home.layers.iterdir()
    lost = stage / "app-a/lib/moves.dat"
    lost.write_bytes(bytes(lost.stat().st_size))  # with the power
    (stage / "app-a/lib/pkg/a.py").unlink()
    assert plan(home, made.store, [app]).requests == 1
    provide(home, made.store, [app])
    assert made.store.traffic.received - before < app.archive.size // 2
    assert_whole(home, app)


def test_errors_are_of_one_kind(made: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VenvstacksError):
        provide(Home(tmp_path / "file"), made.store, [made.layer("app-a", OLD)])
