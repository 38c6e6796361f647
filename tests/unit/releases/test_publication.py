import shutil
from pathlib import Path

import msgspec
import pytest

from fakes.publications import APPLICATION, FRAMEWORK, PLATFORM, RUNTIME, change_manifest, make_publication
from venvstacks import files
from venvstacks.errors import NotInStoreError, ReleaseError, StoreError, UsageError
from venvstacks.manifests.manifest_format import StackManifest, stack_manifest_name, write_manifest
from venvstacks.releases.publication import PublicationStore, find_publication, read_publication
from venvstacks.releases.release_format import Release, decode_release, encode_release


def read_one(output: Path) -> Release:
    (release,) = read_publication(output)
    return release


def test_a_publication_is_a_release(tmp_path: Path) -> None:
    release = read_one(make_publication(tmp_path))
    assert [(layer.layer_name, layer.kind, layer.below) for layer in release.layers] == [
        (RUNTIME, "runtime", ()),
        (FRAMEWORK, "framework", (RUNTIME,)),
        (APPLICATION, "application", (FRAMEWORK, RUNTIME)),
    ]
    assert release.platform == PLATFORM
    application = release.applications["hello"]
    assert (application.launch_module, application.commands) == ("hello", ("hello",))
    assert [layer.commands for layer in release.layers[:2]] == [(), ()]
    for layer in release.layers:
        archive = tmp_path / layer.archive_name
        assert layer.archive.sha256 == files.file_sha256(archive)
        assert layer.index.size == archive.with_name(f"{archive.name}.index.zst").stat().st_size
    # and it passes what clients check
    assert decode_release(encode_release(release), release.version, release.platform) == release


def test_version_is_that_of_the_content(tmp_path: Path) -> None:
    one = read_one(make_publication(tmp_path / "one"))
    assert one.version.startswith("content-")
    assert read_one(make_publication(tmp_path / "again")) == one
    other = read_one(make_publication(tmp_path / "other", {APPLICATION: "2"}, delta_from=tmp_path / "one"))
    assert other.version != one.version
    assert [len(layer.deltas) for layer in other.layers] == [0, 0, 1]
    assert other.layers[2].deltas[0].from_content_hash == one.layers[2].content_hash
    assert read_one(make_publication(tmp_path / "without", {APPLICATION: "2"})).version == other.version


def test_platforms(tmp_path: Path) -> None:
    make_publication(tmp_path, platforms=("win_amd64", PLATFORM))
    assert [release.platform for release in read_publication(tmp_path)] == [PLATFORM, "win_amd64"]


def test_layers_that_left_the_stack_are_left_out(tmp_path: Path) -> None:
    make_publication(tmp_path, extra_applications=("app-gone",))
    make_publication(tmp_path)
    assert list(read_one(tmp_path).applications) == ["hello"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"archive_index_name": msgspec.UNSET}, "without an index, by an older venvstacks"),
        ({"archive_size": msgspec.UNSET}, "does not describe framework-numbers completely"),
        ({"archive_size": 1}, r"framework-numbers.tar.zst is not there, or has not the size"),
        ({"archive_index_size": 1}, r"framework-numbers.tar.zst.index.zst is not there, or has not the size"),
        ({"archive_hashes": {}}, "has no usable hash"),
        ({"archive_hashes": {"sha256": "../x"}}, "has no usable hash"),
        ({"runtime_layer": "cpython-3.14"}, "is published without cpython-3.14"),
        ({"required_layers": (FRAMEWORK,)}, "Layers are below each other"),
    ],
    ids=str,
)
def test_incomplete_layers_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    make_publication(tmp_path)
    change_manifest(tmp_path, FRAMEWORK, **change)
    with pytest.raises(ReleaseError, match=message) as info:
        read_publication(tmp_path)
    assert "publish" in str(info.value.hint)


def test_index_of_something_else(tmp_path: Path) -> None:
    make_publication(tmp_path)
    name = f"{APPLICATION}.tar.zst.index.zst"
    (tmp_path / name).write_bytes(b"x" * (tmp_path / name).stat().st_size)
    with pytest.raises(ReleaseError, match="damaged or exchanged"):
        read_publication(tmp_path)


def test_folders_that_are_no_publication(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No stack is published in"):
        read_publication(tmp_path)
    assert find_publication(str(tmp_path)) is None
    assert find_publication("https://store.example.invalid/x") is None
    write_manifest(tmp_path / stack_manifest_name(None), StackManifest({"runtimes": ()}))
    with pytest.raises(UsageError, match="No stack is published in"):
        read_publication(tmp_path)


def test_platform_that_is_published_twice(tmp_path: Path) -> None:
    make_publication(tmp_path)
    shutil.copytree(tmp_path, tmp_path / PLATFORM)
    with pytest.raises(ReleaseError, match="describe different layers"):
        read_publication(tmp_path)


def test_damaged_manifest(tmp_path: Path) -> None:
    make_publication(tmp_path)
    (tmp_path / stack_manifest_name(None)).write_bytes(b"{")
    with pytest.raises(ReleaseError, match="is damaged"):
        find_publication(str(tmp_path))


def test_reading_it_as_a_store(tmp_path: Path) -> None:
    make_publication(tmp_path / "old")
    output = make_publication(tmp_path / "new", {APPLICATION: "2"}, delta_from=tmp_path / "old")
    store = find_publication(str(output))
    assert isinstance(store, PublicationStore)
    by_address = find_publication(output.as_uri())
    assert by_address is not None
    assert by_address.releases == store.releases
    layer = store.releases[0].applications["hello"]
    content = (output / layer.archive_name).read_bytes()
    assert store.read(layer.archive.name, 1 << 20).data == content
    assert b"".join(store.stream(layer.archive.name, 10, 20)) == content[10:30]
    assert b"".join(store.stream(layer.archive.name)) == content
    assert store.size(layer.deltas[0].name) == layer.deltas[0].size
    assert store.size("metadata/timestamp.json") is None
    assert (store.traffic.requests, store.traffic.received) == (3, 2 * len(content) + 20)


def test_what_cannot_be_read_of_it(tmp_path: Path) -> None:
    store = PublicationStore(make_publication(tmp_path))
    layer = store.releases[0].layers[0]
    with pytest.raises(StoreError, match="more than the 10 bytes"):
        store.read(layer.archive.name, 10)
    with pytest.raises(StoreError, match="ends too early: 1 bytes are missing"):
        list(store.stream(layer.index.name, 0, layer.index.size + 1))
    with pytest.raises(NotInStoreError, match="nothing but blobs"):
        store.read("metadata/timestamp.json", 10)
    (tmp_path / layer.archive_name).unlink()
    assert store.size(layer.archive.name) is None
    with pytest.raises(NotInStoreError, match="not there any more"):
        store.read(layer.archive.name, 10)
