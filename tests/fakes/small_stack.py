"""A small stack of built layers, and what a publication or export of it left."""

from pathlib import Path

from fakes.built_layers import make_built_layer, make_tree
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.building.layer_build import LayerBuild
from venvstacks.manifests.manifest_format import ArchiveManifest, ExportManifest
from venvstacks.manifests.published import find_published
from venvstacks.publishing.delta_bases import find_delta_bases
from venvstacks.publishing.describe import stack_order
from venvstacks.publishing.export_plan import ExportOptions, ExportPlan, plan_export, read_exported
from venvstacks.publishing.export_run import run_export
from venvstacks.publishing.outputs import Outputs
from venvstacks.publishing.publication import run_publish
from venvstacks.publishing.publish_plan import PublishOptions, PublishPlan, plan_publish
from venvstacks.work import Work

NAMES = ("cpython-3.12", "framework-numbers", "app-hello")


def make_stack(folder: Path, *, inputs: str = "1", version: int | None = None) -> tuple[LayerBuild, ...]:
    """Build a runtime, a framework and an application; other inputs give them other content."""
    layers = []
    for position, name in enumerate(NAMES):
        tree = folder / name
        if not tree.exists():
            make_tree(
                tree,
                {
                    "!bin/python": b"#!/bin/sh\n" + inputs.encode(),
                    "bin/python3": "python",
                    "lib/native.so": b"\x7fELF" + inputs.encode() * 100 * (position + 1),
                    "lib/module.py": b"print()\n" * 1000,
                    "share/empty": None,
                },
            )
        layers.append(
            make_built_layer(
                tree,
                name,
                frameworks=("framework-numbers",) if name.startswith("app") else (),
                launch_module="hello" if name.startswith("app") else None,
                inputs=inputs,
                lock_version=version or 1,
                install_target=None if version is None else f"{name}@{version}",
            )
        )
    return tuple(layers)


def planned(
    built: tuple[LayerBuild, ...], options: PublishOptions, selected: tuple[str, ...] | None = None
) -> PublishPlan:
    target = built[0].target
    order = stack_order([each.layer for each in built], target)
    names = [name for _, name in order]
    published = find_published(options.folder, names, target.name, tagged=options.tag_outputs)
    chosen = [each for each in built if selected is None or each.layer.build_name in selected]
    bases = find_delta_bases(
        options.folder,
        [each.layer.build_name for each in chosen],
        target,
        requested=[Path(path) for path in options.delta_from],
        earlier=options.deltas > 0,
    )
    return plan_publish(chosen, options, order, published=published, bases=bases)


def publish(
    built: tuple[LayerBuild, ...],
    options: PublishOptions,
    *,
    selected: tuple[str, ...] | None = None,
    work: Work | None = None,
    cache: FrameCache | None = None,
) -> Outputs[ArchiveManifest]:
    return run_publish(planned(built, options, selected), work or Work(), cache)


def options_of(step: str, output: Path) -> PublishOptions:
    """Return the options of a step of the test of kills."""
    return PublishOptions(output, tag_outputs=step == "publish-tagged", deltas=int(step == "publish-deltas"))


def export(
    built: tuple[LayerBuild, ...],
    options: ExportOptions,
    *,
    selected: tuple[str, ...] | None = None,
    work: Work | None = None,
) -> Outputs[ExportManifest]:
    return run_export(planned_export(built, options, selected), work or Work())


def planned_export(
    built: tuple[LayerBuild, ...], options: ExportOptions, selected: tuple[str, ...] | None = None
) -> ExportPlan:
    chosen = [each for each in built if selected is None or each.layer.build_name in selected]
    order = stack_order([each.layer for each in built], built[0].target)
    exported, present = read_exported(options.folder)
    return plan_export(chosen, options, order, exported=exported, present=present)


def snapshot(folder: Path) -> dict[str, tuple[str, int, bytes]]:
    """Return all that a folder holds: path -> kind or link target, mode, content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = (f"-> {path.readlink().as_posix()}", 0, b"")
        elif path.is_dir():
            found[name] = ("folder", path.stat().st_mode, b"")
        else:
            found[name] = ("file", path.stat().st_mode, path.read_bytes())
    return found
