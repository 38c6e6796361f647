"""Manifests of layers, without building any."""

from pathlib import Path
from typing import Any

import msgspec

from venvstacks.manifests.manifest_format import ArchiveManifest, layer_manifest_name, write_manifest


def archive_manifest(name: str = "app", **changes: Any) -> ArchiveManifest:
    """Return a manifest in which only what is told here means anything."""
    manifest = ArchiveManifest(
        layer_name=name,
        install_target=name,
        requirements_hash="sha256:00",
        lock_version=1,
        locked_at="2024-03-01T12:00:00+00:00",
        python_implementation="cpython@3.12.4",
        runtime_layer="cpython-3.12",
        bound_to_implementation=False,
        target_platform="linux_x86_64",
        archive_name=f"{name}.tar.zst",
        archive_build=1,
        archive_size=1,
        archive_hashes={"sha256": "00"},
    )
    return msgspec.structs.replace(manifest, **changes)


def place_manifest(folder: Path, manifest: ArchiveManifest) -> Path:
    """Write a layer's manifest where it is found."""
    path = folder / layer_manifest_name(manifest.layer_name, None)
    write_manifest(path, manifest)
    return path
