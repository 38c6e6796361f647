"""Deltas that are published beside archives."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.archiving import unpack
from fakes.built_layers import make_built_layer, make_tree
from fakes.deltas import edited, full_facts, noise, patch
from fakes.small_stack import planned, publish, snapshot
from venvstacks import files
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat, Compression
from venvstacks.building.layer_build import LayerBuild
from venvstacks.deltas.delta_file import read_header
from venvstacks.errors import ArchiveError, PublishError, UsageError
from venvstacks.events import Event, Finished, Warned
from venvstacks.manifests.manifest_format import ArchiveManifest
from venvstacks.publishing.deltas import delta_levels
from venvstacks.publishing.outputs import Output
from venvstacks.publishing.publish_plan import PublishOptions
from venvstacks.work import Work

BASE = noise(30_000)


class Release:
    """One layer in several states.

    Args:
        folder: Where it is built.
    """

    def __init__(self, folder: Path, *, versioned: bool = False) -> None:
        self._folder = folder
        self._versioned = versioned

    def built(self, number: int, content: bytes | None = None, target: str = "linux_x86_64") -> LayerBuild:
        folder = self._folder / f"{target}-{number}"
        if not folder.exists():
            make_tree(
                folder,
                {
                    "lib/kept.so": noise(20_000, seed=2),
                    "lib/changed.so": content or edited(BASE, every=3000 + number),
                    "!bin/run": b"run",
                },
            )
        return make_built_layer(
            folder,
            "app-x",
            target=target,
            launch_module="x",
            inputs=f"{number}",
            locked_at=f"2024-03-{number:02}T12:00:00+00:00",
            lock_version=number if self._versioned else 1,
            install_target=f"app-x@{number}" if self._versioned else None,
        )


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path / "build")


@pytest.fixture
def options(tmp_path: Path) -> PublishOptions:
    return PublishOptions(tmp_path / "out")


def published(
    built: LayerBuild, options: PublishOptions, events: list[Event] | None = None
) -> Output[ArchiveManifest]:
    work = Work() if events is None else Work(observe=events.append)
    (archive,) = publish((built,), options, work=work).layers
    return archive


def deltas(archive: Output[ArchiveManifest]) -> list[str]:
    return [delta.name for delta in archive.manifest.archive_deltas or ()]


def name_of(old: Output[ArchiveManifest], stem: str = "app-x") -> str:
    return f"{stem}.from-{str(old.manifest.archive_content_hash)[7:23]}.vdelta"


def assert_leads(delta: Path, old: Path, new: Path, scratch: Path) -> None:
    """Check that a delta makes the content of one archive of that of another."""
    scratch.mkdir()
    unpack(old, scratch / "old")
    unpack(new, scratch / "new")
    patch(scratch / "old", delta, scratch / "patched")
    assert full_facts(scratch / "patched") == full_facts(scratch / "new")


def keep(archive: Output[ArchiveManifest], folder: Path) -> Path:
    """Keep what was published, as a client would have it."""
    shutil.copytree(archive.path.parent, folder)
    return folder


def test_delta_from_the_archive_that_is_replaced(
    release: Release, options: PublishOptions, tmp_path: Path
) -> None:
    options = replace(options, deltas=1)
    first = published(release.built(1), options)
    assert deltas(first) == []
    old = keep(first, tmp_path / "kept")
    events: list[Event] = []
    second = published(release.built(2), options, events)
    (told,) = second.manifest.archive_deltas or ()
    path = options.folder / told.name
    assert told.name == name_of(first)
    assert told.size == path.stat().st_size < 3000
    assert told.hashes == {"sha256": files.file_sha256(path)}
    assert told.from_content_hash == first.manifest.archive_content_hash
    header, _ = read_header(path)
    assert (header.old_content_hash, header.content_hash) == (
        first.manifest.archive_content_hash,
        second.manifest.archive_content_hash,
    )
    assert (header.layer_name, header.install_target, header.archive) == ("app-x", "app-x", "app-x.tar.zst")
    assert_leads(path, old / "app-x.tar.zst", second.path, tmp_path / "scratch")
    described = json.loads((options.folder / "__venvstacks__/env_metadata/app-x.json").read_bytes())
    assert described["archive_deltas"] == [
        {
            "name": told.name,
            "size": told.size,
            "hashes": told.hashes,
            "from_content_hash": told.from_content_hash,
        }
    ]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.summary.endswith(" kB, build 2, 1 delta")
    assert not [path.name for path in options.folder.iterdir() if path.name.startswith(".")]


def test_without_the_option_there_are_none(release: Release, options: PublishOptions) -> None:
    published(release.built(1), options)
    second = published(release.built(2), options)
    assert deltas(second) == []
    described = json.loads((options.folder / "__venvstacks__/env_metadata/app-x.json").read_bytes())
    assert "archive_deltas" not in described


def test_deltas_stay_as_long_as_they_lead_to_the_archive(release: Release, options: PublishOptions) -> None:
    asking = replace(options, deltas=1)
    first = published(release.built(1), asking)
    second = published(release.built(2), asking)
    before = snapshot(options.folder)
    events: list[Event] = []
    for again in (options, asking):
        kept = published(release.built(2), again, events)
        assert not kept.created
        assert deltas(kept) == deltas(second) == [name_of(first)]
        finished = events[-1]
        assert isinstance(finished, Finished)
        assert (finished.changed, finished.summary) == (False, "unchanged, 1 delta")
    assert snapshot(options.folder) == before
    third = published(release.built(3), asking)
    assert deltas(third) == [name_of(second)]
    assert [path.name for path in options.folder.glob("*.vdelta")] == [name_of(second)]
    fourth = published(release.built(4), options)
    assert deltas(fourth) == []
    assert not list(options.folder.glob("*.vdelta"))


def test_forced_archive_of_the_same_content_keeps_its_deltas(release: Release, options: PublishOptions) -> None:
    asking = replace(options, deltas=1)
    first = published(release.built(1), asking)
    published(release.built(2), asking)
    forced = published(release.built(2), replace(options, force=True))
    assert forced.created
    assert deltas(forced) == [name_of(first)]


def test_delta_that_is_gone_is_told_no_more(release: Release, options: PublishOptions) -> None:
    asking = replace(options, deltas=1)
    first = published(release.built(1), asking)
    published(release.built(2), asking)
    (options.folder / name_of(first)).unlink()
    kept = published(release.built(2), options)
    assert deltas(kept) == []


def test_damaged_delta_is_told_no_more(release: Release, options: PublishOptions) -> None:
    asking = replace(options, deltas=1)
    first = published(release.built(1), asking)
    published(release.built(2), asking)
    (options.folder / name_of(first)).write_bytes(b"damaged")
    assert deltas(published(release.built(2), options)) == []
    assert not (options.folder / name_of(first)).exists()


def test_delta_that_a_killed_run_left_is_found(release: Release, options: PublishOptions, tmp_path: Path) -> None:
    asking = replace(options, deltas=1)
    first = published(release.built(1), asking)
    old = keep(first, tmp_path / "kept")
    second = published(release.built(2), asking)
    shutil.copy(old / "__venvstacks__/env_metadata/app-x.json", options.folder / "__venvstacks__/env_metadata")
    again = published(release.built(2), asking)
    assert again.created
    assert again.manifest == second.manifest


@pytest.mark.parametrize("place", ["", "__venvstacks__/venvstacks.json", "__venvstacks__/env_metadata/app-x.json"])
def test_delta_from_another_folder(release: Release, options: PublishOptions, tmp_path: Path, place: str) -> None:
    old = published(release.built(1), PublishOptions(tmp_path / "release-1"))
    other = published(release.built(2), replace(options, output=tmp_path / "release-2", format=ArchiveFormat.ZIP))
    asking = replace(options, delta_from=(tmp_path / "release-1" / place, tmp_path / "release-2"))
    before = snapshot(tmp_path / "release-1")
    new = published(release.built(3), asking)
    assert deltas(new) == sorted([name_of(old), name_of(other)])
    for each in (old, other):
        assert_leads(options.folder / name_of(each), each.path, new.path, tmp_path / each.path.name)
    assert snapshot(tmp_path / "release-1") == before
    assert not published(release.built(3), asking).created


def test_delta_to_an_archive_that_is_there_already(
    release: Release, options: PublishOptions, tmp_path: Path
) -> None:
    old = published(release.built(1), PublishOptions(tmp_path / "release-1"))
    new = published(release.built(2), options)
    before = new.path.stat()
    events: list[Event] = []
    again = published(release.built(2), replace(options, delta_from=(tmp_path / "release-1",)), events)
    assert not again.created
    assert deltas(again) == [name_of(old)]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.changed, finished.summary) == (True, "unchanged, 1 delta")
    after = new.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert_leads(options.folder / name_of(old), old.path, new.path, tmp_path / "scratch")
    written = (options.folder / name_of(old)).stat().st_mtime_ns
    published(release.built(2), replace(options, delta_from=(tmp_path / "release-1",)))
    assert (options.folder / name_of(old)).stat().st_mtime_ns == written


def test_states_of_the_same_content_count_once(release: Release, options: PublishOptions, tmp_path: Path) -> None:
    old = published(release.built(1), PublishOptions(tmp_path / "1"))
    published(release.built(1), PublishOptions(tmp_path / "2", ArchiveFormat.TAR_GZ))
    published(release.built(3), PublishOptions(tmp_path / "3"))
    asking = replace(options, delta_from=tuple(tmp_path / name for name in "123"))
    assert deltas(published(release.built(3), asking)) == [name_of(old)]


def test_tagged_builds(release: Release, options: PublishOptions, tmp_path: Path) -> None:
    options = replace(options, deltas=2, tag_outputs=True)
    done = [published(release.built(number), options) for number in range(1, 5)]
    assert [len(deltas(each)) for each in done] == [0, 1, 2, 2]
    stem = "app-x-linux_x86_64-4"
    assert deltas(done[3]) == sorted(name_of(each, stem) for each in done[1:3])
    for each in done[1:3]:
        delta = options.folder / name_of(each, stem)
        assert_leads(delta, each.path, done[3].path, tmp_path / each.path.name)
    # those to earlier builds are still of use, as their archives are there
    assert (options.folder / name_of(done[0], "app-x-linux_x86_64-3")).exists()


def test_versioned_layer(tmp_path: Path, options: PublishOptions) -> None:
    release = Release(tmp_path / "build", versioned=True)
    options = replace(options, deltas=5)
    first, second, third = (published(release.built(number), options) for number in (1, 2, 10))
    assert deltas(second) == [name_of(first, "app-x@2")]
    assert deltas(third) == sorted(name_of(each, "app-x@10") for each in (first, second))
    assert (options.folder / name_of(first, "app-x@2")).exists()
    assert_leads(options.folder / deltas(second)[0], first.path, second.path, tmp_path / "scratch")


def test_layers_of_other_names_and_platforms_do_not_count(
    release: Release, options: PublishOptions, tmp_path: Path
) -> None:
    published(release.built(1, target="linux_aarch64"), options)
    new = published(
        release.built(2), replace(options, output=tmp_path / "1", delta_from=(options.folder,), deltas=3)
    )
    assert deltas(new) == []
    # the archive of another platform is replaced, and nothing leads from it
    assert deltas(published(release.built(2), replace(options, deltas=1))) == []


def test_folders_of_platforms(release: Release, options: PublishOptions, tmp_path: Path) -> None:
    folder = tmp_path / "release-1"
    old = {}
    for target in ("linux_x86_64", "win_amd64"):
        built = release.built(1, target=target)
        old[target] = published(built, replace(options, output=folder / target))
    for target, archive in old.items():
        asking = replace(options, output=tmp_path / f"out-{target}", delta_from=(folder,))
        assert deltas(published(release.built(2, target=target), asking)) == [name_of(archive)]


def test_delta_must_be_a_third_smaller(release: Release, options: PublishOptions) -> None:
    options = replace(options, deltas=1)
    published(release.built(1), options)
    second = published(release.built(2, noise(50_000, seed=9)), options)
    assert deltas(second) == []
    assert not list(options.folder.glob("*.vdelta"))
    assert not [path.name for path in options.folder.iterdir() if path.name.startswith(".")]


def test_nothing_is_published_where_deltas_shall_lead_from(
    release: Release, options: PublishOptions, tmp_path: Path
) -> None:
    for path, message in (
        (tmp_path, f"No layers are published in {tmp_path}."),
        (tmp_path / "x.json", f"There is no manifest of published layers: {tmp_path}/x.json."),
    ):
        with pytest.raises(UsageError) as caught:
            published(release.built(1), replace(options, delta_from=(path,)))
        assert caught.value.message == message
        assert caught.value.hint == "name an output folder of `venvstacks publish`, or a manifest in it"


@pytest.mark.parametrize("gone", ["app-x.tar.zst", "app-x.tar.zst.index.zst"])
def test_old_archive_is_missing(release: Release, options: PublishOptions, tmp_path: Path, gone: str) -> None:
    old = published(release.built(1), PublishOptions(tmp_path / "1"))
    (tmp_path / "1" / gone).unlink()
    with pytest.raises(PublishError) as caught:
        published(release.built(2), replace(options, delta_from=(tmp_path / "1",)))
    assert caught.value.message == (
        f"There can be no delta for application 'x' from the archive {old.path}: it or its index is not there."
    )
    assert not options.folder.exists()
    # nothing has to lead to what it was
    published(release.built(1), options)
    published(release.built(1), replace(options, delta_from=(tmp_path / "1",)))


def test_old_archive_of_a_version_without_indexes(
    release: Release, options: PublishOptions, tmp_path: Path
) -> None:
    published(release.built(1), PublishOptions(tmp_path / "1"))
    place = tmp_path / "1/__venvstacks__/env_metadata/app-x.json"
    told: dict[str, Any] = json.loads(place.read_bytes())
    place.write_bytes(json.dumps({key: value for key, value in told.items() if "index" not in key}).encode())
    with pytest.raises(PublishError, match="it was published without an index"):
        published(release.built(2), replace(options, delta_from=(tmp_path / "1",)))


def damage(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    index, _ = read_index(archive)
    (needed,) = (entry for entry in index.entries if entry.path == "lib/changed.so")
    frame = index.frames[needed.frame]
    data[frame.offset + 9] ^= 1
    archive.write_bytes(data)


def test_damaged_archive_that_was_asked_for(release: Release, options: PublishOptions, tmp_path: Path) -> None:
    old = published(release.built(1), PublishOptions(tmp_path / "1"))
    published(release.built(2), options)
    damage(old.path)
    before = snapshot(options.folder)
    with pytest.raises(ArchiveError, match="is damaged"):
        published(release.built(3), replace(options, delta_from=(tmp_path / "1",)))
    assert snapshot(options.folder) == before


def test_damaged_archive_that_is_replaced(release: Release, options: PublishOptions) -> None:
    options = replace(options, deltas=1)
    damage(published(release.built(1), options).path)
    events: list[Event] = []
    second = published(release.built(2), options, events)
    assert deltas(second) == []
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert warning.startswith(
        "There is no delta from an earlier application 'x'. The archive app-x.tar.zst is damaged"
    )


def test_dry_run_says_what_might_be_made(release: Release, options: PublishOptions, tmp_path: Path) -> None:
    published(release.built(1), options)
    other = published(release.built(2), PublishOptions(tmp_path / "1"))
    plan = planned((release.built(3),), replace(options, deltas=1, delta_from=(tmp_path / "1",)))
    (archive,) = plan.layers
    bases = [base.archive for base in archive.deltas.values()]
    assert bases == [other.path, options.folder / "app-x.tar.zst"]
    assert next(iter(archive.deltas)) == name_of(other)


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        (PublishOptions(Path()), (12, 19)),
        (PublishOptions(Path(), compression=Compression.FAST), (12, 12)),
        (PublishOptions(Path(), compression=Compression.BEST), (19, 19)),
        (PublishOptions(Path(), level=3), (12, 12)),
        (PublishOptions(Path(), level=15), (15, 19)),
        (PublishOptions(Path(), level=22), (22, 22)),
        (PublishOptions(Path(), ArchiveFormat.ZIP), (12, 19)),
        (PublishOptions(Path(), ArchiveFormat.ZIP, level=9), (12, 19)),
        (PublishOptions(Path(), ArchiveFormat.TAR_GZ, compression=Compression.FAST), (12, 12)),
        (PublishOptions(Path(), ArchiveFormat.TAR_XZ, compression=Compression.BEST), (19, 19)),
    ],
)
def test_levels(options: PublishOptions, levels: tuple[int, int]) -> None:
    assert delta_levels(options) == levels
