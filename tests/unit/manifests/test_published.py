from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.manifests import archive_manifest, place_manifest
from venvstacks.errors import UsageError
from venvstacks.manifests.manifest_format import DeltaManifest, StackManifest, write_manifest
from venvstacks.manifests.published import PublishedLayer, find_published, read_published

DELTAS = tuple(DeltaManifest(f"app.from-{n}.vdelta", 3, {}, f"sha256:{n}") for n in range(3))
MANIFEST = archive_manifest("app", archive_deltas=DELTAS)
UNUSABLE: tuple[dict[str, Any], ...] = (
    {"archive_name": "../app.tar.zst"},
    {"archive_name": "..\\app.tar.zst"},
    {"archive_size": msgspec.UNSET},
    {"archive_hashes": msgspec.UNSET},
    {"target_platform": msgspec.UNSET},
    {"archive_deltas": (DeltaManifest("../x.vdelta", 3, {}, ""),)},
)


def find(folder: Path, *, tagged: bool = False) -> PublishedLayer | None:
    return find_published(folder, ["absent", "app"], "linux_x86_64", tagged=tagged).get("app")


def test_files_that_are_there(tmp_path: Path) -> None:
    place_manifest(tmp_path, MANIFEST)
    archive = tmp_path / "app.tar.zst"
    assert find(tmp_path) == PublishedLayer(archive, MANIFEST, None, None)
    archive.write_bytes(b"12345")
    (tmp_path / "app.tar.zst.index.zst").write_bytes(b"1")
    (tmp_path / DELTAS[0].name).write_bytes(b"123")
    (tmp_path / DELTAS[1].name).write_bytes(b"12")
    layer = PublishedLayer(archive, MANIFEST, 5, 1, DELTAS[:1])
    assert find(tmp_path) == layer
    assert read_published(tmp_path) == (layer,)
    assert find(tmp_path, tagged=True) is None


@pytest.mark.parametrize("change", [*UNUSABLE, {"layer_name": "other"}, {"target_platform": "win_amd64"}], ids=str)
def test_foreign_manifest_counts_as_absent(tmp_path: Path, change: dict[str, Any]) -> None:
    write_manifest(place_manifest(tmp_path, MANIFEST), msgspec.structs.replace(MANIFEST, **change))
    assert find(tmp_path) is None


@pytest.mark.parametrize("change", UNUSABLE, ids=str)
def test_unusable_manifests_are_left_out(tmp_path: Path, change: dict[str, Any]) -> None:
    stack = tmp_path / "__venvstacks__/venvstacks.json"
    unusable = msgspec.structs.replace(MANIFEST, layer_name="bad", **change)
    write_manifest(stack, StackManifest({"applications": (MANIFEST, unusable)}))
    bad = place_manifest(tmp_path, unusable)
    with pytest.raises(UsageError, match="There is no manifest of published layers"):
        read_published(bad)
    with pytest.raises(UsageError, match="No layers are published in"):
        read_published(tmp_path)
    place_manifest(tmp_path, MANIFEST)
    for path in (tmp_path, stack):
        assert [layer.manifest for layer in read_published(path)] == [MANIFEST]


def test_manifest_named_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place_manifest(tmp_path, MANIFEST)
    monkeypatch.chdir(path.parent)
    assert read_published(Path(path.name)) == read_published(path)


def test_folders_of_platforms(tmp_path: Path) -> None:
    for platform in ("win_amd64", "linux_x86_64"):
        for name in ("b", "a"):
            place_manifest(tmp_path / platform, archive_manifest(name, target_platform=platform))
    assert [layer.archive.relative_to(tmp_path).as_posix() for layer in read_published(tmp_path)] == [
        "linux_x86_64/a.tar.zst",
        "linux_x86_64/b.tar.zst",
        "win_amd64/a.tar.zst",
        "win_amd64/b.tar.zst",
    ]
