import errno
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.archive_reading import read_archive
from fakes.archiving import facts
from fakes.built_layers import make_built_layer, make_tree
from fakes.small_stack import NAMES, make_stack, publish, snapshot
from venvstacks import files, unpack
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.building.layer_build import LayerBuild
from venvstacks.errors import ArchiveError, FilesystemError, PublishError
from venvstacks.events import Event, Finished, Planned, Progressed, Started, Step, Warned
from venvstacks.humanize import size_text
from venvstacks.processes import Cancellation, CancelledError
from venvstacks.publishing.publish_plan import PublishOptions
from venvstacks.work import Work

Built = tuple[LayerBuild, ...]


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return make_stack(tmp_path / "build")


@pytest.fixture
def options(tmp_path: Path) -> PublishOptions:
    return PublishOptions(tmp_path / "out")


def layer_json(options: PublishOptions, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(
        (options.folder / "__venvstacks__/env_metadata" / f"{name}.json").read_bytes()
    )
    return content


def listed(options: PublishOptions) -> list[str]:
    layers = json.loads((options.folder / "__venvstacks__/venvstacks.json").read_bytes())["layers"]
    return [layer["layer_name"] for kind in ("runtimes", "frameworks", "applications") for layer in layers[kind]]


def test_everything_is_written(built: Built, options: PublishOptions) -> None:
    result = publish(built, options)
    assert [archive.layer for archive in result.layers] == list(NAMES)
    assert listed(options) == list(NAMES)
    for archive in result.layers:
        described = layer_json(options, archive.layer)
        assert archive.path == options.folder / f"{archive.layer}.tar.zst"
        assert described["archive_name"] == archive.path.name
        assert described["archive_size"] == archive.path.stat().st_size
        assert described["archive_hashes"] == {"sha256": files.file_sha256(archive.path)}
        index = options.folder / f"{archive.path.name}.index.zst"
        assert described["archive_index_name"] == index.name
        assert described["archive_index_size"] == index.stat().st_size
        assert described["archive_index_hashes"] == {"sha256": files.file_sha256(index)}
        assert described["target_platform"] == "linux_x86_64"
        assert str(described["archive_content_hash"]).startswith("sha256:")
    stack = json.loads(result.manifest_path.read_bytes())
    assert stack == result.manifest.as_json()
    assert stack["layers"]["applications"] == [layer_json(options, "app-hello")]


def test_times_are_lock_times(built: Built, options: PublishOptions) -> None:
    archive = publish(built, options).layers[0].path
    assert {member.time for member in read_archive(archive, ArchiveFormat.TAR_ZST).values()} == {1709294400}


def test_second_run_changes_no_byte(built: Built, options: PublishOptions) -> None:
    publish(built, options)
    before = snapshot(options.folder)
    times = {path: path.stat().st_mtime_ns for path in options.folder.rglob("*")}
    result = publish(built, options)
    assert [archive.created for archive in result.layers] == [False] * 3
    assert snapshot(options.folder) == before
    assert {path: path.stat().st_mtime_ns for path in options.folder.rglob("*")} == times


def test_order_number_of_threads_and_place_change_no_byte(built: Built, tmp_path: Path) -> None:
    publish(built, PublishOptions(tmp_path / "one"), work=Work(jobs=1))
    publish(make_stack(tmp_path / "elsewhere"), PublishOptions(tmp_path / "two"), work=Work(jobs=4))
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_restored_metadata_gives_the_same_archives_again(built: Built, options: PublishOptions) -> None:
    publish(built, replace(options, force=True))
    publish(built, replace(options, force=True))
    before = snapshot(options.folder)
    for archive in options.folder.glob("*.tar.zst"):
        archive.unlink()
    events: list[Event] = []
    publish(built, options, work=Work(observe=events.append))
    assert snapshot(options.folder) == before
    assert layer_json(options, "app-hello")["archive_build"] == 2
    assert not [event for event in events if isinstance(event, Warned)]


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_index_that_is_missing_or_damaged_is_made_again(
    built: Built, options: PublishOptions, damage: str
) -> None:
    publish(built, options)
    before = snapshot(options.folder)
    index = options.folder / "app-hello.tar.zst.index.zst"
    if damage == "missing":
        index.unlink()
    else:
        index.write_bytes(index.read_bytes()[:-1])
    (app,) = (archive for archive in publish(built, options).layers if archive.created)
    assert (app.layer, app.manifest.archive_build) == ("app-hello", 1)
    assert snapshot(options.folder) == before


def test_archives_can_be_unpacked_and_are_verified_by_their_manifests(
    built: Built, options: PublishOptions, tmp_path: Path
) -> None:
    result = publish(built, options)
    unpack([archive.path for archive in result.layers], tmp_path / "unpacked")
    for layer in built:
        assert facts(tmp_path / "unpacked" / layer.layer.build_name) == facts(layer.folder)
    other = publish(built, replace(options, output=tmp_path / "other", level=1))
    for name in (other.layers[0].path.name, f"{other.layers[0].path.name}.index.zst"):
        shutil.copy(tmp_path / "other" / name, options.folder / name)
    with pytest.raises(ArchiveError, match="it was damaged or exchanged"):
        unpack([options.folder / other.layers[0].path.name], tmp_path / "again")


def test_frames_of_an_earlier_run_are_used(built: Built, options: PublishOptions, tmp_path: Path) -> None:
    rng = random.Random(1)  # noqa: S311 - incompressible is enough
    (built[0].folder / "lib/large").write_bytes(rng.randbytes(100_000))
    built = (make_built_layer(built[0].folder, NAMES[0]), *built[1:])
    cache = FrameCache(tmp_path / "cache")
    publish(built, options, cache=cache)
    before = snapshot(options.folder)
    kept = {path: path.stat().st_ino for path in cache.folder.rglob("*") if path.is_file()}
    assert kept
    publish(built, replace(options, output=tmp_path / "again"), cache=FrameCache(cache.folder))
    assert snapshot(tmp_path / "again") == before
    assert {path: path.stat().st_ino for path in cache.folder.rglob("*") if path.is_file()} == kept


def test_unusable_cache_is_told_and_does_no_harm(built: Built, options: PublishOptions, tmp_path: Path) -> None:
    (built[0].folder / "lib/large").write_bytes(bytes(100_000))
    built = (make_built_layer(built[0].folder, NAMES[0]), *built[1:])
    (tmp_path / "cache").write_bytes(b"")
    events: list[Event] = []
    publish(built, options, work=Work(observe=events.append), cache=FrameCache(tmp_path / "cache"))
    (warning,) = [event for event in events if isinstance(event, Warned)]
    assert warning.message.startswith("Cannot keep compressed parts for the next run in ")
    assert (options.folder / "app-hello.tar.zst").is_file()


def test_packages_have_frames_of_their_own(built: Built, options: PublishOptions) -> None:
    site = built[0].folder / "lib/python3.12/site-packages"
    make_tree(
        site,
        {
            "one/__init__.py": b"one",
            "two/__init__.py": b"two",
            "one-1.dist-info/RECORD": b"one/__init__.py,,\none-1.dist-info/RECORD,,\n",
            "two-1.dist-info/RECORD": b"two/__init__.py,,\ntwo-1.dist-info/RECORD,,\n",
        },
    )
    result = publish((make_built_layer(built[0].folder, NAMES[0]), *built[1:]), options, selected=NAMES[:1])
    index, _ = read_index(result.layers[0].path)
    frames = {entry.path.removeprefix("lib/python3.12/site-packages/"): entry.frame for entry in index.entries}
    assert frames["one/__init__.py"] == frames["one-1.dist-info/RECORD"]
    assert frames["two/__init__.py"] == frames["two-1.dist-info/RECORD"] > frames["one/__init__.py"]
    assert index.layer_name == NAMES[0]


def test_archive_that_differs_from_the_published_one_is_told(built: Built, options: PublishOptions) -> None:
    publish(built, options)
    path = options.folder / "__venvstacks__/env_metadata/app-hello.json"
    told = layer_json(options, "app-hello")
    path.write_text(json.dumps({**told, "archive_hashes": {"sha256": "00"}}), encoding="utf-8")
    (options.folder / "app-hello.tar.zst").unlink()
    events: list[Event] = []
    publish(built, options, work=Work(observe=events.append))
    (warning,) = [event for event in events if isinstance(event, Warned)]
    assert "application 'hello' (app-hello.tar.zst)" in warning.message
    assert layer_json(options, "app-hello") == told


def test_builds_are_counted_and_tagged_archives_stay(built: Built, options: PublishOptions) -> None:
    options = replace(options, tag_outputs=True)
    publish(built, options)
    first = (options.folder / "app-hello-linux_x86_64-1.tar.zst").read_bytes()
    (forced, *_) = publish(built, replace(options, force=True), selected=("app-hello",)).layers
    assert forced.manifest.archive_build == 2
    assert (options.folder / "app-hello-linux_x86_64-1.tar.zst").read_bytes() == first
    assert forced.path.read_bytes() == first
    assert (options.folder / "__venvstacks__/venvstacks-linux_x86_64.json").is_file()
    assert (options.folder / "__venvstacks__/env_metadata/app-hello-linux_x86_64.json").is_file()


def test_stack_manifest_keeps_earlier_layers_and_drops_removed_ones(built: Built, options: PublishOptions) -> None:
    publish(built, options, selected=("app-hello",))
    assert listed(options) == ["app-hello"]
    publish(built, options, selected=("cpython-3.12",))
    assert listed(options) == ["cpython-3.12", "app-hello"]
    publish(built[:2], options, selected=("framework-numbers",))
    assert listed(options) == ["cpython-3.12", "framework-numbers"]


def test_events(built: Built, options: PublishOptions) -> None:
    events: list[Event] = []
    result = publish(built, options, work=Work(observe=events.append, jobs=1))
    assert events[0] == Planned(Step.PUBLISH, NAMES)
    largest_first = [event.layer for event in events if isinstance(event, Started)]
    assert largest_first == list(reversed(NAMES))
    finished = [event for event in events if isinstance(event, Finished)]
    assert {(event.layer, event.changed, event.summary) for event in finished} == {
        (archive.layer, True, f"{size_text(archive.path.stat().st_size)}, build 1") for archive in result.layers
    }
    progress = [event for event in events if isinstance(event, Progressed) and event.layer == "app-hello"]
    assert [(event.done, event.total) for event in progress] == [(8000 + 11 + 304, 8000 + 11 + 304)]
    events.clear()
    publish(built, options, work=Work(observe=events.append))
    assert {(e.changed, e.summary) for e in events if isinstance(e, Finished)} == {(False, "unchanged")}


def test_changed_file_is_an_error_that_names_the_layer(built: Built, options: PublishOptions) -> None:
    (built[2].folder / "lib/module.py").write_bytes(b"")
    with pytest.raises(PublishError) as caught:
        publish(built, options, selected=NAMES[2:], work=Work(jobs=1))
    assert caught.value.message == (
        "Cannot publish application 'hello' for linux_x86_64: 'lib/module.py' changed while it was archived: "
        "it had 8000 bytes when the layer was built."
    )
    assert caught.value.hint
    assert not (options.folder / "app-hello.tar.zst").exists()
    assert not (options.folder / "__venvstacks__/venvstacks.json").exists()


def test_what_was_published_before_a_failure_is_told(built: Built, options: PublishOptions) -> None:
    """Neither the message nor the stack's manifest says of an archive what is not so."""
    before = publish(built, options)
    (built[2].folder / "lib/large").write_bytes(bytes(100_000))
    (built[1].folder / "lib/added").write_bytes(b"more")
    changed = [
        make_built_layer(layer.folder, name, inputs="2") for name, layer in zip(NAMES[1:], built[1:], strict=True)
    ]
    (built[1].folder / "lib/added").unlink()  # the smaller one, which comes second, fails
    with pytest.raises(FilesystemError) as caught:
        publish((built[0], *changed), options, work=Work(jobs=1))
    assert caught.value.message.endswith("\nPublished: cpython-3.12, app-hello. Not published: framework-numbers.")
    described = json.loads(before.manifest_path.read_bytes())["layers"]
    assert described["applications"] == [layer_json(options, "app-hello")]
    assert described["applications"] != before.manifest.as_json()["layers"]["applications"]
    assert described["frameworks"] == before.manifest.as_json()["layers"]["frameworks"]


def test_unreadable_output_is_explained(built: Built, options: PublishOptions) -> None:
    options.folder.write_bytes(b"in the way")
    with pytest.raises(FilesystemError, match="Cannot publish"):
        publish(built, options, work=Work(jobs=1))


def test_full_disk_is_explained_and_leaves_nothing(
    built: Built, options: PublishOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(built, options)
    before = snapshot(options.folder)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FilesystemError, match=r"Cannot publish .* for linux_x86_64: No space left") as caught:
        publish(built, replace(options, force=True))
    assert caught.value.hint == "free some space, or choose another folder, and run the command again"
    assert snapshot(options.folder) == before


LIMITED = """
import resource, sys
from pathlib import Path
from fakes.small_stack import make_stack, publish
from venvstacks.errors import FilesystemError
from venvstacks.publishing.publish_plan import PublishOptions
built = make_stack(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
try:
    publish(built, PublishOptions(Path(sys.argv[2])))
except FilesystemError as error:
    print(error.message)
"""


def test_writes_that_the_system_refuses_leave_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "build", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert "Cannot publish" in done.stdout
    assert "File too large" in done.stdout
    assert list((tmp_path / "out").iterdir()) == []


def test_cancelled_publication_leaves_what_was_there(built: Built, options: PublishOptions) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError):
        publish(built, options, work=Work(cancellation=cancellation))
    assert list(options.folder.iterdir()) == []


def test_leftovers_are_removed(built: Built, options: PublishOptions) -> None:
    for folder in ("", "__venvstacks__", "__venvstacks__/env_metadata"):
        leftover = options.folder / folder / f"{files.TEMPORARY_PREFIX}123"
        leftover.parent.mkdir(parents=True, exist_ok=True)
        leftover.write_bytes(b"")
    publish(built, options)
    assert not list(options.folder.rglob(f"{files.TEMPORARY_PREFIX}*"))


def test_empty_layer(tmp_path: Path, options: PublishOptions) -> None:
    (tmp_path / "empty").mkdir()
    (archive,) = publish((make_built_layer(tmp_path / "empty", "framework-none"),), options).layers
    assert list(read_archive(archive.path, ArchiveFormat.TAR_ZST)) == ["framework-none"]
