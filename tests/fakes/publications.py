"""Output folders of ``publish`` without building: a runtime, a framework and an application of a few files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fakes.archiving import MTIME, small_frames
from fakes.built_layers import make_tree
from fakes.deltas import FAST, FRAME, Content, noise
from venvstacks import files
from venvstacks.archives.archive_plan import plan_archive
from venvstacks.archives.archive_reader import open_archive
from venvstacks.archives.archive_writer import write_archive
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.pool import frame_pool
from venvstacks.deltas.delta_plan import plan_delta
from venvstacks.deltas.delta_writer import write_delta
from venvstacks.entries import scan
from venvstacks.manifests.manifest_format import (
    ArchiveManifest,
    DeltaManifest,
    StackManifest,
    layer_manifest_name,
    stack_manifest_name,
    write_manifest,
)
from venvstacks.work import Work

PLATFORM = "linux_x86_64"
RUNTIME, FRAMEWORK, APPLICATION = "cpython-3.12", "framework-numbers", "app-hello"


def layer_content(name: str, inputs: str = "1") -> Content:
    """Return what a layer holds; other inputs change a little of a large file, and a small one; "other" all."""
    library = bytearray(noise(30_000, seed=len(name) + 100 * (inputs == "other")))
    library[9_000 : 9_000 + len(inputs)] = inputs.encode()
    content: dict[str, bytes | str | None] = {
        "!bin/python": b"#!/bin/sh\necho " + inputs.encode() + b"\n",
        "bin/python3": "python",
        "lib/native.so": bytes(library),
        "lib/same.py": b"print()\n" * 100,
        "lib/version.py": b"version = '%s'\n" % inputs.encode(),
        "share/empty": None,
    }
    if name.startswith("app"):
        content["!bin/hello"] = b"#!/bin/sh\n"
    return content


def make_publication(
    output: Path,
    inputs: Mapping[str, str] | str = "1",
    *,
    platforms: tuple[str, ...] = (PLATFORM,),
    kind: ArchiveFormat = ArchiveFormat.TAR_ZST,
    extra_applications: tuple[str, ...] = (),
    delta_from: Path | None = None,
) -> Path:
    """Write an output folder; equal inputs make equal bytes.

    Args:
        output: The folder; of several platforms, each has a folder in it.
        inputs: Build name -> what its content depends on; or one for all layers.
        platforms: Target names.
        kind: Format of the archives.
        extra_applications: Build names of more applications on the same framework.
        delta_from: An earlier output folder, of one platform; deltas lead from what is in it.
    """
    for platform in platforms:
        folder = output / platform if len(platforms) > 1 else output
        stack: dict[str, tuple[ArchiveManifest, ...]] = {}
        for table, names in (
            ("runtimes", (RUNTIME,)),
            ("frameworks", (FRAMEWORK,)),
            ("applications", (APPLICATION, *extra_applications)),
        ):
            stack[table] = tuple(
                _publish(
                    folder, name, platform, inputs if isinstance(inputs, str) else inputs.get(name, "1"), kind
                )
                for name in names
            )
            if delta_from is not None:
                stack[table] = tuple(_add_delta(folder, delta_from, manifest) for manifest in stack[table])
        for manifests in stack.values():
            for manifest in manifests:
                write_manifest(folder / layer_manifest_name(manifest.layer_name, None), manifest)
        write_manifest(folder / stack_manifest_name(None), StackManifest({**stack}))
    return output


def change_manifest(output: Path, name: str, **changes: Any) -> None:
    """Change what the manifest of the stack says of a layer."""
    path = output / stack_manifest_name(None)
    stack = msgspec.json.decode(path.read_bytes(), type=_Stack)
    write_manifest(
        path,
        StackManifest(
            {
                table: tuple(
                    msgspec.structs.replace(m, **changes) if m.layer_name == name else m for m in manifests
                )
                for table, manifests in stack.layers.items()
            }
        ),
    )


class _Stack(msgspec.Struct):
    layers: dict[str, tuple[ArchiveManifest, ...]]


def _publish(folder: Path, name: str, platform: str, inputs: str, kind: ArchiveFormat) -> ArchiveManifest:
    tree = make_tree(folder / ".trees" / f"{name}-{inputs}", layer_content(name, inputs))
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{name}.{kind.value}"
    plan = plan_archive(
        scan(tree), name, mtime=MTIME, profile=small_frames(kind), group_of=lambda _: None, windows=False
    )
    with frame_pool(Work(jobs=1)) as pool:
        written, index, content_hash = write_archive(
            plan,
            tree,
            archive,
            layer_name=name,
            target_platform=platform,
            pool=pool,
            cache=None,
            progress=lambda _: None,
        )
    files.remove_tree(folder / ".trees")
    is_application = name.startswith("app")
    return ArchiveManifest(
        layer_name=name,
        install_target=name,
        requirements_hash="sha256:00",
        lock_version=1,
        locked_at="2024-03-01T12:00:00+00:00",
        python_implementation="cpython@3.12.4",
        runtime_layer=RUNTIME,
        bound_to_implementation=False,
        target_platform=platform,
        required_layers=msgspec.UNSET if name == RUNTIME else ((FRAMEWORK,) if is_application else ()),
        app_launch_module="hello" if is_application else msgspec.UNSET,
        archive_name=archive.name,
        archive_build=1,
        archive_size=written.size,
        archive_hashes={"sha256": written.sha256},
        archive_content_hash=content_hash,
        archive_index_name=index.name,
        archive_index_size=index.size,
        archive_index_hashes={"sha256": index.sha256},
    )


def _add_delta(folder: Path, earlier: Path, manifest: ArchiveManifest) -> ArchiveManifest:
    """Describe a delta that leads from an earlier archive of a layer, if their contents differ."""
    with (
        open_archive(earlier / manifest.archive_name) as old,
        open_archive(folder / manifest.archive_name) as new,
        frame_pool(Work(jobs=1)) as pool,
    ):
        if old.index.content_hash == new.index.content_hash:
            return manifest
        name = f"{manifest.layer_name}.from-{old.index.content_hash[7:23]}.vdelta"
        written = write_delta(
            plan_delta(old.index, new.index, FRAME),
            old,
            new,
            folder / name,
            largest=1 << 30,
            pool=pool,
            levels=FAST,
            progress=lambda _: None,
        )
    assert written is not None
    delta = DeltaManifest(written.name, written.size, {"sha256": written.sha256}, old.index.content_hash)
    return msgspec.structs.replace(manifest, archive_deltas=(delta,))
