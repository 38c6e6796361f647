import json
from pathlib import Path

import pytest

from fakes.manifests import archive_manifest
from venvstacks.manifests.manifest_format import (
    ArchiveManifest,
    LayerManifest,
    layer_manifest_name,
    read_manifest,
    read_manifests,
    stack_manifest_name,
    write_manifest,
)


def test_file_names() -> None:
    assert stack_manifest_name(None) == "__venvstacks__/venvstacks.json"
    assert stack_manifest_name("win_amd64") == "__venvstacks__/venvstacks-win_amd64.json"
    assert layer_manifest_name("app-1.2", None) == "__venvstacks__/env_metadata/app-1.2.json"
    assert layer_manifest_name("app-1.2", "win_arm64") == "__venvstacks__/env_metadata/app-1.2-win_arm64.json"


def test_written_manifest_is_canonical_json_and_is_read_back(tmp_path: Path) -> None:
    described = archive_manifest("framework-ü")
    path = tmp_path / "out" / "manifest.json"
    write_manifest(path, described)
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    assert "framework-ü" in text
    assert read_manifest(path, ArchiveManifest) == described


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"layer_name": "app-x"}', b'{"layers": {}}'],
    ids=["empty", "cut off", "list", "null", "not UTF-8", "keys missing", "stack"],
)
def test_damaged_manifest_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert read_manifest(tmp_path / "x.json", LayerManifest) is None


def test_unreadable_manifest_counts_as_absent(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "absent.json", LayerManifest) is None
    assert read_manifest(tmp_path, LayerManifest) is None


def test_manifest_of_version_0_8_is_read(tmp_path: Path) -> None:
    known = {
        "layer_name": "x",
        "install_target": "x",
        "requirements_hash": "x",
        "lock_version": 1,
        "locked_at": "x",
        "python_implementation": "x",
        "runtime_layer": "x",
        "bound_to_implementation": False,
        "archive_name": "x.tar.xz",
        "archive_build": 4,
        "archive_size": 10,
        "archive_hashes": {"sha256": "00"},
        "target_platform": "linux_x86_64",
        "a_key_of_tomorrow": {},
    }
    (tmp_path / "x.json").write_text(json.dumps(known), encoding="utf-8")
    manifest = read_manifest(tmp_path / "x.json", ArchiveManifest)
    assert manifest is not None
    assert manifest.archive_build == 4
    write_manifest(tmp_path / "y.json", manifest)
    del known["a_key_of_tomorrow"]
    assert json.loads((tmp_path / "y.json").read_bytes()) == known


def test_manifests_in_a_folder(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_manifest(tmp_path / layer_manifest_name(name, None), archive_manifest(name))
    (tmp_path / layer_manifest_name("c", None)).write_text("{")
    found = [(path.name, manifest.layer_name) for path, manifest in read_manifests(tmp_path, LayerManifest)]
    assert found == [("a.json", "a"), ("b.json", "b")]
    assert not list(read_manifests(tmp_path / "absent", LayerManifest))
