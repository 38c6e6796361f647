"""Publishing and exporting, as steps of a project."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.frame_cache import open_frame_cache
from venvstacks.building.inspection import check_built
from venvstacks.building.layer_build import LayerBuild
from venvstacks.builds import StackBuilds
from venvstacks.definition.stack import Stack
from venvstacks.errors import UsageError
from venvstacks.manifests.manifest_format import ArchiveManifest, ExportManifest
from venvstacks.manifests.published import find_published
from venvstacks.options import cache_folder, in_definition
from venvstacks.platforms.targets import Target
from venvstacks.publishing.delta_bases import find_delta_bases
from venvstacks.publishing.describe import stack_order
from venvstacks.publishing.export_plan import ExportOptions, ExportPlan, plan_export, read_exported
from venvstacks.publishing.export_run import run_export
from venvstacks.publishing.outputs import OutputPlan, Outputs
from venvstacks.publishing.publication import run_publish
from venvstacks.publishing.publish_plan import PublishOptions, PublishPlan, archive_profile, plan_publish
from venvstacks.selection import choose_targets
from venvstacks.session import Session
from venvstacks.workspace import hold_output


def make_publish_plans(
    builds: StackBuilds, options: PublishOptions, chosen: Collection[str], platforms: Collection[str]
) -> tuple[PublishPlan, ...]:
    """Decide platform by platform which archives are made; locks and earlier manifests suffice for that."""
    stack, tagged = builds.stack, options.tag_outputs
    requested = [in_definition(stack, path) for path in options.delta_from]
    plans = []
    for target, output, layers in _select(builds, options.output, chosen, platforms, tagged=tagged):
        here = replace(_choose_format(options, stack, target), output=output)
        names = [build.layer.build_name for build in layers]
        order = stack_order(stack.layers, target)
        published = find_published(output, [name for _, name in order], target.name, tagged=tagged)
        bases = find_delta_bases(output, names, target, requested=requested, earlier=options.deltas > 0)
        plans.append(plan_publish(layers, here, order, published=published, bases=bases))
    return tuple(plans)


def run_publishing(
    session: Session,
    builds: StackBuilds,
    options: PublishOptions,
    chosen: Collection[str],
    platforms: Collection[str],
) -> tuple[Outputs[ArchiveManifest], ...]:
    """Publish layers that are built."""
    stack, how = session.stack, session.options
    for target in choose_targets(stack, chosen, platforms):
        # a level that its format does not have is refused before the output folder is made
        archive_profile(_choose_format(options, stack, target))
    with hold_output(_output_folder(stack, options.output), wait=how.wait, observe=how.observe):
        plans = make_publish_plans(builds, options, chosen, platforms)
        _check_built(builds, plans, chosen, platforms)
        cache = open_frame_cache(cache_folder(stack, how), how.environ)
        return tuple(run_publish(plan, session.work, cache) for plan in plans)


def make_export_plans(
    builds: StackBuilds, options: ExportOptions, chosen: Collection[str], platforms: Collection[str]
) -> tuple[ExportPlan, ...]:
    """Decide platform by platform which layers are exported; the layers need not be built."""
    plans = []
    for target, output, layers in _select(builds, options.output, chosen, platforms, tagged=False):
        manifests, present = read_exported(output)
        order = stack_order(builds.stack.layers, target)
        here = replace(options, output=output)
        plans.append(plan_export(layers, here, order, exported=manifests, present=present))
    return tuple(plans)


def run_exporting(
    session: Session,
    builds: StackBuilds,
    options: ExportOptions,
    chosen: Collection[str],
    platforms: Collection[str],
) -> tuple[Outputs[ExportManifest], ...]:
    """Export layers that are built."""
    how = session.options
    with hold_output(_output_folder(session.stack, options.output), wait=how.wait, observe=how.observe):
        plans = make_export_plans(builds, options, chosen, platforms)
        _check_built(builds, plans, chosen, platforms)
        return tuple(run_export(plan, session.work) for plan in plans)


def _choose_format(options: PublishOptions, stack: Stack, target: Target) -> PublishOptions:
    return replace(options, format=options.format or ArchiveFormat(stack.archive_formats[target.name]))


def _output_folder(stack: Stack, path: str | os.PathLike[str]) -> Path:
    folder = in_definition(stack, path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"The output folder {folder} is a file.", hint="name another folder")
    return folder


def _select(
    builds: StackBuilds,
    output: str | os.PathLike[str],
    chosen: Collection[str],
    platforms: Collection[str],
    *,
    tagged: bool,
) -> Iterator[tuple[Target, Path, list[LayerBuild]]]:
    """Return each platform with its output folder, and the selected layers that are made for it."""
    folder = _output_folder(builds.stack, output)
    selected = [build for build in builds.select(chosen, platforms) if build.layer.build_name in chosen]
    by_target = {target: list(layers) for target, layers in groupby(selected, lambda build: build.target)}
    for target, layers in by_target.items():
        yield target, folder if tagged or len(by_target) == 1 else folder / target.name, layers


def _check_built(
    builds: StackBuilds,
    plans: Sequence[OutputPlan[Any]],
    chosen: Collection[str],
    platforms: Collection[str],
) -> None:
    """Ensure that the layers whose outputs are made are built; what is kept needs no built layer."""
    made = {planned.build.key for plan in plans for planned in plan.layers if not planned.is_kept}
    check_built(builds.select(chosen, platforms), made)
