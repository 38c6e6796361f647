import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.built_layers import make_built_layer, make_tree
from fakes.small_stack import NAMES, export, make_stack, planned_export, snapshot
from venvstacks import files
from venvstacks.building.layer_build import LayerBuild
from venvstacks.entries import scan
from venvstacks.errors import FilesystemError, PublishError
from venvstacks.events import Event, Finished, Planned, Progressed, Started, Step
from venvstacks.humanize import size_text
from venvstacks.processes import Cancellation, CancelledError
from venvstacks.publishing import export_run
from venvstacks.publishing.export_plan import ExportOptions
from venvstacks.publishing.outputs import Reason
from venvstacks.work import Work

Built = tuple[LayerBuild, ...]


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return make_stack(tmp_path / "build")


@pytest.fixture
def options(tmp_path: Path) -> ExportOptions:
    return ExportOptions(tmp_path / "out")


def reasons(built: Built, options: ExportOptions) -> dict[str, Reason]:
    plan = planned_export(built, options)
    assert all((each.is_kept) == (each.reason is Reason.UNCHANGED) for each in plan.layers)
    return {each.layer: each.reason for each in plan.layers}


def listed(options: ExportOptions) -> list[str]:
    layers = json.loads((options.folder / "__venvstacks__/venvstacks.json").read_bytes())["layers"]
    return [
        layer["install_target"] for kind in ("runtimes", "frameworks", "applications") for layer in layers[kind]
    ]


def test_layers_stand_side_by_side_with_their_metadata(tmp_path: Path, options: ExportOptions) -> None:
    built = make_stack(tmp_path / "build", version=3)
    result = export(built, options)
    assert [layer.path.name for layer in result.layers] == [f"{name}@3" for name in NAMES]
    for layer, each in zip(result.layers, built, strict=True):
        assert scan(layer.path) == each.entries
        described = json.loads((options.folder / f"__venvstacks__/env_metadata/{layer.layer}.json").read_bytes())
        assert not [key for key in described if key.startswith("archive_")]
        assert described["target_platform"] == "linux_x86_64"
        assert described["export_inputs_hash"].startswith("sha256:")
        assert described["install_target"] == layer.path.name
    assert json.loads(result.manifest_path.read_bytes()) == result.manifest.as_json()
    assert listed(options) == [f"{name}@3" for name in NAMES]


def test_unchanged_layers_are_left_alone(built: Built, options: ExportOptions) -> None:
    assert set(reasons(built, options).values()) == {Reason.FIRST_EXPORT}
    export(built, options)
    inodes = {path: path.lstat().st_ino for path in options.folder.rglob("*")}
    assert set(reasons(built, options).values()) == {Reason.UNCHANGED}
    assert not any(layer.created for layer in export(built, options).layers)
    assert {path: path.lstat().st_ino for path in options.folder.rglob("*")} == inodes


def test_manifests_that_describe_another_layer_than_their_names_say_are_not_used(
    built: Built, options: ExportOptions
) -> None:
    export(built, options)
    metadata = options.folder / "__venvstacks__/env_metadata"
    one, two = (metadata / f"{name}.json" for name in NAMES[:2])
    texts = one.read_text(), two.read_text()
    one.write_text(texts[1])
    two.write_text(texts[0])
    assert reasons(built, options) == {
        name: Reason.FIRST_EXPORT if name in NAMES[:2] else Reason.UNCHANGED for name in NAMES
    }
    export(built, options)
    assert (one.read_text(), two.read_text()) == texts


def test_changed_forced_and_missing_layers_are_made_anew(
    tmp_path: Path, built: Built, options: ExportOptions
) -> None:
    export(built, options)
    edited = options.folder / "app-hello/lib/module.py"
    edited.write_bytes(b"edited")
    assert set(reasons(built, replace(options, force=True)).values()) == {Reason.FORCED}
    export(built, replace(options, force=True))
    assert edited.stat().st_size == 8000
    changed = make_stack(tmp_path / "changed", inputs="2")
    assert set(reasons(changed, options).values()) == {Reason.CHANGED}
    export(changed, options)
    assert (options.folder / "app-hello/bin/python").read_bytes() == b"#!/bin/sh\n2"
    files.remove_tree(options.folder / "app-hello")
    assert reasons(changed, options)["app-hello"] is Reason.MISSING_FOLDER
    export(changed, options)
    assert (options.folder / "app-hello/bin/python").read_bytes() == b"#!/bin/sh\n2"


def test_replacing_never_writes_through_links(built: Built, options: ExportOptions, tmp_path: Path) -> None:
    before = snapshot(tmp_path / "build")
    export(built, options)
    export(built, replace(options, force=True))
    files.remove_tree(options.folder)
    assert snapshot(tmp_path / "build") == before


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_foreign_folder_is_never_overwritten(
    built: Built, options: ExportOptions, kind: str, *, force: bool
) -> None:
    place = options.folder / "app-hello"
    options.folder.mkdir()
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_bytes(b"")
    else:
        place.symlink_to("nowhere")
    before = snapshot(options.folder)
    with pytest.raises(PublishError) as caught:
        export(built, replace(options, force=force))
    assert (
        caught.value.message
        == f"Cannot export application 'hello': {place} exists, but was not created by an export."
    )
    assert caught.value.hint == "move it away, or choose another folder with --output-dir"
    assert snapshot(options.folder) == before


def test_new_version_takes_the_place_of_the_old_one(tmp_path: Path, options: ExportOptions) -> None:
    export(make_stack(tmp_path / "1", version=1), options)
    export(make_stack(tmp_path / "2", version=2, inputs="2"), options, selected=("app-hello",))
    assert listed(options) == ["cpython-3.12@1", "framework-numbers@1", "app-hello@2"]
    assert sorted(path.name for path in options.folder.iterdir()) == [
        "__venvstacks__",
        "app-hello@2",
        "cpython-3.12@1",
        "framework-numbers@1",
    ]


def test_old_version_that_was_half_removed_is_not_taken_for_whole(
    tmp_path: Path, options: ExportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_stack(tmp_path / "1", version=1)
    export(first, options)
    before = snapshot(options.folder)

    def remove_a_part(path: Path) -> None:
        monkeypatch.undo()
        (path / "lib/module.py").unlink()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "remove_tree", remove_a_part)
    with pytest.raises(FilesystemError, match="Cannot export"):
        export(make_stack(tmp_path / "2", version=2, inputs="2"), options, selected=("app-hello",))
    export(first, options)
    assert snapshot(options.folder) == before


def test_folder_of_a_removed_layer_counts_as_an_exports_own(built: Built, options: ExportOptions) -> None:
    export(built, options)
    manifests = options.folder / "__venvstacks__/env_metadata"
    (manifests / "app-hello.json").rename(manifests / "app-older-name.json")
    assert reasons(built, options)["app-hello"] is Reason.FIRST_EXPORT
    export(built, options)
    assert listed(options) == list(NAMES)


def test_export_of_version_0_8_is_replaced(built: Built, options: ExportOptions) -> None:
    export(built, options)
    path = options.folder / "__venvstacks__/env_metadata/app-hello.json"
    told = json.loads(path.read_bytes())
    del told["export_inputs_hash"]
    path.write_text(json.dumps(told), encoding="utf-8")
    assert reasons(built, options)["app-hello"] is Reason.CHANGED
    export(built, options)
    assert "export_inputs_hash" in json.loads(path.read_bytes())


def test_stack_manifest_lists_what_is_there(built: Built, options: ExportOptions) -> None:
    export(built, options, selected=("app-hello",))
    export(built, options, selected=("cpython-3.12",))
    assert listed(options) == ["cpython-3.12", "app-hello"]
    files.remove_tree(options.folder / "app-hello")
    export(built, options, selected=("cpython-3.12",))
    assert listed(options) == ["cpython-3.12"]


def test_plan_is_what_is_written(built: Built, options: ExportOptions) -> None:
    plan = planned_export(built, options)
    assert not options.folder.exists()
    assert plan.as_json() == export(built, options).manifest.as_json()


def test_large_layer_is_divided(tmp_path: Path, options: ExportOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_run, "_CHUNK_SIZE", 1000)
    tree = make_tree(tmp_path / "big", {f"d{n % 7}/f{n}": b"x" * n for n in range(700)})
    layer = make_built_layer(tree, "framework-big")
    export((layer,), options, work=Work(jobs=4))
    assert scan(options.folder / "framework-big") == layer.entries


def test_events(built: Built, options: ExportOptions) -> None:
    events: list[Event] = []
    export(built, options, work=Work(observe=events.append, jobs=1))
    assert events[0] == Planned(Step.EXPORT, NAMES)
    assert [event.layer for event in events if isinstance(event, Started)] == list(NAMES)
    assert {(e.layer, e.changed, e.summary) for e in events if isinstance(e, Finished)} == {
        (layer.layer.build_name, True, size_text(layer.size)) for layer in built
    }
    done = [(e.done, e.total) for e in events if isinstance(e, Progressed) and e.layer == "app-hello"]
    assert done == [(8315, 8315)]
    events.clear()
    export(built, options, work=Work(observe=events.append))
    assert {(e.changed, e.summary) for e in events if isinstance(e, Finished)} == {(False, "unchanged")}


def test_full_disk_is_explained_and_leaves_nothing(
    built: Built, options: ExportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(built, options)
    before = snapshot(options.folder)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FilesystemError, match=r"Cannot export .*: No space left") as caught:
        export(built, replace(options, force=True))
    assert caught.value.hint == "free some space, or choose another folder, and run the command again"
    assert snapshot(options.folder) == before


def test_cancelled_export_leaves_what_was_there(built: Built, options: ExportOptions) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError):
        export(built, options, work=Work(cancellation=cancellation))
    assert [path for path in options.folder.rglob("*") if path.name != "__venvstacks__"] == []


def test_leftovers_are_removed(built: Built, options: ExportOptions) -> None:
    leftover = make_tree(options.folder / f"{files.TEMPORARY_PREFIX}123", {"a/b": b""})
    export(built, options)
    assert not leftover.exists()
