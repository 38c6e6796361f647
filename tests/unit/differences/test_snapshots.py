"""Comparing what lies on the disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.archiving import pack
from fakes.built_layers import make_built_layer, make_tree
from fakes.deltas import edited, noise
from fakes.small_stack import publish
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.differences.changes import ChangeStatus, LayerDifference, PackageChange
from venvstacks.differences.compare import find_byte_differences, find_differences
from venvstacks.errors import ArchiveError, FilesystemError, InvalidLockError, UsageError
from venvstacks.publishing.publish_plan import PublishOptions

SITE = "lib/python3.12/site-packages"
LOCK = """\
lock-version = "1.0"
created-by = "test"

[[packages]]
name = "{name}"
version = "{version}"
[[packages.wheels]]
name = "{name}-{version}-py3-none-any.whl"
url = "https://example.invalid/x.whl"
hashes = {{ sha256 = "{digest}" }}

[[packages]]
name = "shared"
version = "1"
marker = "sys_platform == 'from_lower_layer'"
"""


def release(folder: Path, number: int, *, deltas: int = 0, kind: ArchiveFormat = ArchiveFormat.TAR_ZST) -> None:
    """Publish a runtime and an application, of which the latter changes from release to release."""
    content: dict[str, bytes | str | None] = {
        f"{SITE}/Pkg_One-{number}.0.dist-info/METADATA": b"x",
        f"{SITE}/stays-1.dist-info/METADATA": b"x",
        f"{SITE}/pkg_one.so": edited(noise(30_000), every=3000 + number),
        f"{SITE}/kept.so": noise(2000, seed=3),
    }
    tree = make_tree(folder.parent / f"build-{number}-x", content)
    runtime = make_tree(folder.parent / "build-py", {"bin/python": b"x"})
    layers = (
        make_built_layer(runtime, "cpython-3.12"),
        make_built_layer(tree, "app-x", launch_module="x", inputs=str(number)),
    )
    publish(layers, PublishOptions(folder, kind, deltas=deltas))


def changed(old: Path, new: Path) -> LayerDifference:
    (layer,) = (layer for layer in find_differences(old, new).layers if layer.status is not ChangeStatus.UNCHANGED)
    return layer


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for number in (1, 2):
        release(tmp_path / f"release-{number}", number)
    return tmp_path / "release-1", tmp_path / "release-2"


def test_published_folders(folders: tuple[Path, Path]) -> None:
    difference = find_differences(*folders)
    assert [(layer.name, layer.platform, layer.status) for layer in difference.layers] == [
        ("app-x", "linux_x86_64", ChangeStatus.CHANGED),
        ("cpython-3.12", "linux_x86_64", ChangeStatus.UNCHANGED),
    ]
    layer, runtime = difference.layers
    assert layer.packages == (PackageChange("pkg-one", "1.0", "2.0"),)
    assert runtime.packages == ()
    assert [(change.path.removeprefix(SITE), change.status.value) for change in layer.files or ()] == [
        ("/Pkg_One-1.0.dist-info/METADATA", "removed"),
        ("/Pkg_One-2.0.dist-info/METADATA", "added"),
        ("/pkg_one.so", "changed"),
    ]
    assert layer.unchanged_files == 2
    fetch = layer.fetch
    assert fetch is not None
    archive = folders[1] / "app-x.tar.zst"
    index = folders[1] / "app-x.tar.zst.index.zst"
    assert fetch.archive == archive.stat().st_size
    assert fetch.frames is not None
    assert 30_000 < fetch.frames - index.stat().st_size < fetch.archive  # in which kept files lie as well
    assert fetch.delta is None


def test_archives_and_manifests(folders: tuple[Path, Path]) -> None:
    expected = changed(*folders)
    for place in ("app-x.tar.zst", "__venvstacks__/env_metadata/app-x.json", "__venvstacks__/venvstacks.json"):
        assert changed(*(folder / place for folder in folders)) == expected


def test_archives_without_manifests(tmp_path: Path) -> None:
    for name, content in (("1", b"one"), ("2", b"two")):
        make_tree(tmp_path / f"tree{name}", {"a": content, "b": b""})
        pack(tmp_path / f"tree{name}", tmp_path / f"{name}.zip", ArchiveFormat.ZIP)
    layer = changed(tmp_path / "1.zip", tmp_path / "2.zip")
    assert [change.path for change in layer.files or ()] == ["a"]
    assert layer.packages == ()
    assert find_differences(tmp_path / "1.zip", tmp_path / "1.zip").least == 0


def test_delta_that_is_published(tmp_path: Path) -> None:
    release(tmp_path / "release-1", 1)
    release(tmp_path / "both", 1)
    release(tmp_path / "both", 2, deltas=1)
    fetch = changed(tmp_path / "release-1", tmp_path / "both").fetch
    assert fetch is not None
    (delta,) = (tmp_path / "both").glob("*.vdelta")
    assert fetch.delta == fetch.least == delta.stat().st_size


def test_other_format_of_the_same_content(tmp_path: Path) -> None:
    release(tmp_path / "1", 1)
    release(tmp_path / "2", 1, kind=ArchiveFormat.TAR_XZ)
    assert {layer.status for layer in find_differences(tmp_path / "1", tmp_path / "2").layers} == {
        ChangeStatus.UNCHANGED
    }


def test_version_of_python_counts_in_runtimes(folders: tuple[Path, Path]) -> None:
    place = folders[1] / "__venvstacks__/env_metadata/cpython-3.12.json"
    told = json.loads(place.read_bytes())
    place.write_text(json.dumps({**told, "python_implementation": "cpython@3.12.9"}))
    layers = {layer.name: layer for layer in find_differences(*folders).layers}
    assert layers["cpython-3.12"].packages == (PackageChange("cpython", "3.12.4", "3.12.9"),)
    assert layers["app-x"].packages == (PackageChange("pkg-one", "1.0", "2.0"),)


def test_folder_with_manifests_alone(folders: tuple[Path, Path]) -> None:
    for index in folders[0].glob("*.index.zst"):
        index.unlink()
    layer = changed(*folders)
    assert (layer.packages, layer.files) == (None, None)
    assert layer.fetch is not None
    assert layer.fetch.delta is None


def lock(folder: Path, layer: str = "app-x", name: str = "one", version: str = "1.0", digest: str = "00") -> Path:
    place = folder / layer / f"pylock.{layer.replace('.', '_')}.toml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(LOCK.format(name=name, version=version, digest=digest))
    place.with_suffix(".meta.json").write_text('{"python_version": "3.12.4", "more": 1}')
    return place


def test_locks(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    lock(old, "app-x.y")
    lock(old, "app-same")
    lock(old, "py-3.12")
    lock(new, "app-x.y", version="1.1")
    lock(new, "app-same")
    meta = lock(new, "py-3.12").with_suffix(".meta.json")
    meta.write_text('{"python_version": "3.12.9"}')
    layers = {layer.name: layer for layer in find_differences(old, new).layers}
    assert layers["app-x.y"].packages == (PackageChange("one", "1.0", "1.1"),)
    assert layers["app-same"].status is ChangeStatus.UNCHANGED
    assert layers["py-3.12"].packages == (PackageChange("python", "3.12.4", "3.12.9"),)
    assert {layer.fetch for layer in layers.values()} == {None}
    assert {layer.files for layer in layers.values()} == {None}


def test_lock_files(tmp_path: Path) -> None:
    old = lock(tmp_path / "1")
    new = lock(tmp_path / "2", digest="11")
    assert changed(old, new).packages == (PackageChange("one", "1.0", "1.0"),)
    plain = tmp_path / "pylock.toml"
    plain.write_text(LOCK.format(name="other", version="2", digest="00"))
    assert changed(old, plain).packages == (PackageChange("one", "1.0", None), PackageChange("other", None, "2"))


def test_damaged_lock(tmp_path: Path) -> None:
    old = lock(tmp_path / "1")
    old.write_bytes(b"\xff = 1")
    with pytest.raises(InvalidLockError, match=r"pylock.app-x.toml cannot be used"):
        find_differences(old, old)


def test_different_things(folders: tuple[Path, Path], tmp_path: Path) -> None:
    locked = lock(tmp_path / "locks")
    for sides in ((locked, folders[0]), (folders[0], locked)):
        with pytest.raises(UsageError) as caught:
            find_differences(*sides)
        assert caught.value.message == f"{locked} is a lock, and {folders[0]} is not."


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("x.txt", UsageError, "There is no "),
        ("some.txt", UsageError, "is not something that can be compared"),
        ("empty", UsageError, "No layers are published in"),
        ("x.json", UsageError, "There is no manifest of published layers"),
        ("x.tar.zst", ArchiveError, "There is no archive"),
        ("pylock.x.toml", FilesystemError, "Cannot compare"),
    ],
)
def test_things_that_cannot_be_compared(tmp_path: Path, name: str, kind: type[Exception], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "some.txt").touch()
    with pytest.raises(kind, match=message):
        find_differences(tmp_path / name, tmp_path / name)


def test_bytes(folders: tuple[Path, Path]) -> None:
    found = find_byte_differences(*(folder / "app-x.tar.zst" for folder in folders))
    assert f"app-x.tar.zst: the content of '{SITE}/pkg_one.so'" in {each.where for each in found}
    assert {each.where for each in find_byte_differences(*folders)} > {each.where for each in found}
    assert find_byte_differences(folders[0], folders[0]) == ()
    for other in (folders[1], folders[0] / "nothing.tar.zst", folders[0] / "__venvstacks__/venvstacks.json"):
        with pytest.raises(UsageError, match="cannot be compared"):
            find_byte_differences(folders[0] / "app-x.tar.zst", other)


def test_data(folders: tuple[Path, Path]) -> None:
    data: dict[str, Any] = find_differences(*folders).as_json()
    layer, runtime = data["layers"]
    assert layer["packages"] == [{"name": "pkg-one", "old": "1.0", "new": "2.0"}]
    assert layer["files"]["changed"] == {"count": 1, "size": 30_048}
    assert layer["files"]["unchanged"] == {"count": 2}
    assert layer["files"]["changes"][0] == {
        "path": f"{SITE}/Pkg_One-1.0.dist-info/METADATA",
        "status": "removed",
        "old_size": 1,
        "new_size": None,
    }
    assert runtime["status"] == "unchanged"
    assert runtime["fetch"] is None
    assert data["fetch"] == {"archives": layer["fetch"]["archive"], "least": layer["fetch"]["least"]}
