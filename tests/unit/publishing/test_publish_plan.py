from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.built_layers import make_built_layer, with_state
from venvstacks.archives import codecs
from venvstacks.archives.formats import ArchiveFormat, Compression
from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.stack import LayerKind
from venvstacks.errors import UsageError
from venvstacks.manifests.manifest_format import ArchiveManifest
from venvstacks.manifests.published import PublishedLayer
from venvstacks.publishing import publish_plan as planning
from venvstacks.publishing.outputs import Reason
from venvstacks.publishing.publish_plan import (
    PlannedArchive,
    PublishOptions,
    PublishPlan,
    archive_profile,
    plan_publish,
)

OUTPUT = Path("out")
OPTIONS = PublishOptions(OUTPUT)


@pytest.fixture
def built(tmp_path: Path) -> LayerBuild:
    return make_built_layer(tmp_path, "app-x", launch_module="x", install_target="app-x@1")


def plan(
    built: LayerBuild, earlier: PublishedLayer | None = None, options: PublishOptions = OPTIONS
) -> PublishPlan:
    known = {} if earlier is None else {"app-x": earlier}
    return plan_publish([built], options, [(built.layer.kind, "app-x")], published=known, bases={})


def plan_one(
    built: LayerBuild, earlier: PublishedLayer | None = None, options: PublishOptions = OPTIONS
) -> PlannedArchive:
    (planned,) = plan(built, earlier, options).layers
    return planned


def published(
    built: LayerBuild, options: PublishOptions = OPTIONS, *, build: int = 1, **changes: Any
) -> PublishedLayer:
    """Return what a publication leaves that found an earlier build."""
    planned = plan_one(built, None, options)
    name = planned.manifest.archive_name.replace("-1.tar", f"-{build}.tar")
    facts = {
        "archive_size": 10,
        "archive_hashes": {"sha256": "00"},
        "archive_name": name,
        "archive_build": build,
        "archive_index_name": f"{name}.index.zst",
        "archive_index_size": 5,
        "archive_index_hashes": {"sha256": "11"},
    }
    manifest = msgspec.structs.replace(planned.manifest, **{**facts, **changes})
    return PublishedLayer(planned.destination, manifest, 10, 5)


def outcome(planned: PlannedArchive) -> tuple[bool, Reason, int, str]:
    return planned.is_kept, planned.reason, planned.manifest.archive_build, planned.destination.name


def test_first_publication(built: LayerBuild) -> None:
    planned = plan_one(built)
    assert outcome(planned) == (False, Reason.FIRST, 1, "app-x@1.tar.zst")
    assert planned.destination == OUTPUT / "app-x@1.tar.zst"
    assert planned.manifest_path == OUTPUT / "__venvstacks__/env_metadata/app-x.json"
    assert planned.published_sha256 is None


@pytest.mark.parametrize("kind", ArchiveFormat)
def test_tagged_names(built: LayerBuild, kind: ArchiveFormat) -> None:
    options = PublishOptions(OUTPUT, kind, tag_outputs=True)
    planned = plan_one(built, None, options)
    assert planned.destination.name == f"app-x@1-linux_x86_64-1.{kind.value}"
    assert planned.manifest_path == OUTPUT / "__venvstacks__/env_metadata/app-x-linux_x86_64.json"
    assert plan(built, None, options).manifest_path == OUTPUT / "__venvstacks__/venvstacks-linux_x86_64.json"


def test_unchanged(built: LayerBuild) -> None:
    earlier = published(built, build=3)
    planned = plan_one(built, earlier)
    assert outcome(planned) == (True, Reason.UNCHANGED, 3, "app-x@1.tar.zst")
    assert planned.manifest == earlier.manifest


@pytest.mark.parametrize(
    "changes",
    [{"inputs": "2"}, {"locked_at": "2024-03-01T12:00:01+00:00"}, {"target": "linux_aarch64"}],
    ids=lambda changes: next(iter(changes)),
)
def test_changed_layer(built: LayerBuild, changes: dict[str, str]) -> None:
    changed = make_built_layer(built.folder, "app-x", launch_module="x", install_target="app-x@1", **changes)  # type: ignore[arg-type]
    assert outcome(plan_one(changed, published(built, build=3)))[1:3] == (Reason.CHANGED, 4)


@pytest.mark.parametrize(
    "changes", [{"format": ArchiveFormat.TAR_XZ}, {"level": 1}, {"compression": Compression.BEST}]
)
def test_changed_options(built: LayerBuild, changes: dict[str, Any]) -> None:
    planned = plan_one(built, published(built, build=3), replace(OPTIONS, **changes))
    assert (planned.reason, planned.manifest.archive_build) == (Reason.CHANGED, 4)


def test_naming_the_default_level_changes_nothing(built: LayerBuild) -> None:
    for same in (
        replace(OPTIONS, level=archive_profile(OPTIONS).level),
        replace(OPTIONS, compression=Compression.BALANCED),
    ):
        assert plan_one(built, published(built), same).reason is Reason.UNCHANGED


def test_what_a_layer_takes_from_those_below_counts_once_it_is_known(built: LayerBuild) -> None:
    taken, other = with_state(built, linking="1"), with_state(built, linking="2")
    assert outcome(plan_one(taken, published(taken)))[:2] == (True, Reason.UNCHANGED)
    assert outcome(plan_one(other, published(taken)))[:3] == (False, Reason.CHANGED, 2)
    not_built = plan_one(built, published(taken))
    assert (not_built.reason, not_built.manifest.archive_links_hash) == (Reason.UNCHANGED, "1")
    assert plan_one(taken, published(built)).reason is Reason.UNCHANGED, "an earlier manifest need not tell"


def test_changed_codec(built: LayerBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = published(built)
    monkeypatch.setattr(planning, "codec_identity", lambda kind: f"{codecs.codec_identity(kind)}.1")
    assert plan_one(built, earlier).reason is Reason.CHANGED


def test_changed_writer(built: LayerBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = published(built)
    monkeypatch.setattr(planning, "WRITER_REVISION", 99)
    assert plan_one(built, earlier).reason is Reason.CHANGED


def test_forced(built: LayerBuild) -> None:
    planned = plan_one(built, published(built, build=3), replace(OPTIONS, force=True))
    assert outcome(planned) == (False, Reason.FORCED, 4, "app-x@1.tar.zst")
    assert planned.published_sha256 is None


@pytest.mark.parametrize(("size", "reason"), [(None, Reason.MISSING), (9, Reason.DAMAGED)])
def test_gone_or_damaged_archive_is_made_again_under_its_number(
    built: LayerBuild, size: int | None, reason: Reason
) -> None:
    options = replace(OPTIONS, tag_outputs=True)
    earlier = replace(published(built, options, build=3), archive_size=size)
    planned = plan_one(built, earlier, options)
    assert outcome(planned) == (False, reason, 3, "app-x@1-linux_x86_64-3.tar.zst")
    assert planned.published_sha256 == "00"


@pytest.mark.parametrize("size", [None, 4])
def test_gone_or_damaged_index_is_made_again_with_its_archive(built: LayerBuild, size: int | None) -> None:
    planned = plan_one(built, replace(published(built, build=3), index_size=size))
    assert outcome(planned)[:3] == (False, Reason.INDEX, 3)
    assert planned.published_sha256 == "00"


def test_tagged_rebuild_has_a_new_name(built: LayerBuild) -> None:
    options = replace(OPTIONS, tag_outputs=True)
    planned = plan_one(built, published(built, options, build=3), replace(options, force=True))
    assert planned.destination.name == "app-x@1-linux_x86_64-4.tar.zst"


def test_new_lock_version_starts_again(built: LayerBuild) -> None:
    newer = make_built_layer(
        built.folder, "app-x", launch_module="x", install_target="app-x@2", lock_version=2, inputs="2"
    )
    planned = plan_one(newer, published(built, build=3))
    assert outcome(planned) == (False, Reason.CHANGED, 1, "app-x@2.tar.zst")


def test_manifest_of_version_0_8_is_continued(built: LayerBuild) -> None:
    earlier = published(built, build=3, archive_inputs_hash=msgspec.UNSET, archive_content_hash=msgspec.UNSET)
    assert outcome(plan_one(built, earlier))[1:3] == (Reason.CHANGED, 4)


def test_kept_archive_gets_the_metadata_of_today(built: LayerBuild) -> None:
    earlier = published(built, requirements_hash="sha256:of-yesterday")
    planned = plan_one(built, earlier)
    assert planned.is_kept
    assert planned.manifest.requirements_hash == built.lock.metadata.requirements_hash


def test_stack_lists_selected_and_earlier_layers_in_its_order(built: LayerBuild) -> None:
    runtime = make_built_layer(built.folder, "cpython-3.12")
    order = [
        (LayerKind.RUNTIME, "cpython-3.12"),
        (LayerKind.FRAMEWORK, "framework-new"),
        (LayerKind.APPLICATION, "app-w"),
        (LayerKind.APPLICATION, "app-x"),
    ]
    (earlier_runtime,) = plan_publish([runtime], OPTIONS, order, published={}, bases={}).layers
    known = {
        "cpython-3.12": PublishedLayer(earlier_runtime.destination, earlier_runtime.manifest, None, None),
        "app-w": replace(published(built, layer_name="app-w"), archive_size=None),
    }
    planned = plan_publish([built], OPTIONS, order, published=known, bases={}).as_json()["layers"]
    listed = {kind: [layer["layer_name"] for layer in layers] for kind, layers in planned.items()}
    assert listed == {"runtimes": ["cpython-3.12"], "frameworks": [], "applications": ["app-w", "app-x"]}


def test_json_of_a_plan_has_what_is_known(built: LayerBuild) -> None:
    (described,) = plan(built).as_json()["layers"]["applications"]
    of_files = {
        "archive_size",
        "archive_hashes",
        "archive_index_name",
        "archive_index_size",
        "archive_index_hashes",
    }
    assert {key for key in described if key.startswith("archive_")} == {
        "archive_name",
        "archive_build",
        "archive_inputs_hash",
    }
    (kept,) = plan(built, published(built)).as_json()["layers"]["applications"]
    assert kept.keys() - described.keys() == of_files


def test_planning_reads_and_writes_nothing(built: LayerBuild, tmp_path: Path) -> None:
    plan_one(built, published(built), PublishOptions(tmp_path / "absent"))
    assert not (tmp_path / "absent").exists()


def test_impossible_level_is_refused_before_any_work(built: LayerBuild) -> None:
    with pytest.raises(UsageError, match=r"levels of tar.zst are 1 to 22, not 99"):
        plan_one(built, None, replace(OPTIONS, level=99))


def test_one_plan_is_for_one_target(built: LayerBuild) -> None:
    other = make_built_layer(built.folder, "app-x", launch_module="x", target="win_amd64")
    with pytest.raises(ValueError, match="too many values"):
        plan_publish([built, other], OPTIONS, [], published={}, bases={})


def test_archive_manifest_is_complete_when_kept(built: LayerBuild) -> None:
    manifest = plan_one(built, published(built)).manifest
    assert isinstance(manifest, ArchiveManifest)
    assert (manifest.archive_size, manifest.archive_hashes) == (10, {"sha256": "00"})
