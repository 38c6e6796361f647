"""Publishing and exporting, joined from the rooms below."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.frame_cache import open_frame_cache
from venvstacks.building.inspection import check_built
from venvstacks.builds import StackBuilds
from venvstacks.definition.stack import Stack
from venvstacks.errors import UsageError
from venvstacks.manifests.manifest_format import ArchiveManifest, ExportManifest
from venvstacks.manifests.published import find_published
from venvstacks.options import cache_folder, in_definition
from venvstacks.publishing.delta_bases import find_delta_bases
from venvstacks.publishing.describe import stack_order
from venvstacks.publishing.export_plan import ExportOptions, ExportPlan, plan_export, read_exported
from venvstacks.publishing.export_run import run_export
from venvstacks.publishing.outputs import OutputPlan, Outputs
from venvstacks.publishing.publication import run_publish
from venvstacks.publishing.publish_plan import PublishOptions, PublishPlan, archive_profile, plan_publish
from venvstacks.selection import choose_layers
from venvstacks.session import Session
from venvstacks.workspace import hold_output


def make_publish_plans(
    builds: StackBuilds, options: PublishOptions, include: Collection[str] | None, platforms: Collection[str]
) -> tuple[PublishPlan, ...]:
    """Decide platform by platform which archives are made; locks and earlier manifests suffice for that."""
    stack = builds.stack
    folder = _output_folder(stack, options.output)
    chosen = choose_layers(stack, include)
    by_target = builds.select(chosen, platforms)
    requested = [in_definition(stack, path) for path in options.delta_from]
    plans = []
    for target, layers in by_target.items():
        output = folder / target.name if len(by_target) > 1 and not options.tag_outputs else folder
        kind = options.format or ArchiveFormat(stack.archive_formats[target.name])
        here = replace(options, output=output, format=kind)
        names = builds.made_for(target, chosen)
        order = stack_order(stack.layers, target)
        published = find_published(output, [n for _, n in order], target.name, tagged=options.tag_outputs)
        bases = find_delta_bases(output, names, target, requested=requested, earlier=options.deltas > 0)
        plans.append(plan_publish(layers, names, here, order, published=published, bases=bases))
    return tuple(plans)


def run_publishing(
    session: Session,
    builds: StackBuilds,
    options: PublishOptions,
    include: Collection[str] | None,
    platforms: Collection[str],
) -> tuple[Outputs[ArchiveManifest], ...]:
    """Publish layers that are built."""
    archive_profile(options)  # a level that no format has is refused before the output folder is made
    with _hold_output(session, options.output):
        plans = make_publish_plans(builds, options, include, platforms)
        _check_built(builds, plans)
        cache = open_frame_cache(cache_folder(session.stack, session.options), session.options.environ)
        return tuple(run_publish(plan, session.work, cache) for plan in plans)


def make_export_plans(
    builds: StackBuilds, options: ExportOptions, include: Collection[str] | None, platforms: Collection[str]
) -> tuple[ExportPlan, ...]:
    """Decide platform by platform which layers are exported; the layers need not be built."""
    folder = _output_folder(builds.stack, options.output)
    chosen = choose_layers(builds.stack, include)
    by_target = builds.select(chosen, platforms)
    plans = []
    for target, layers in by_target.items():
        output = folder / target.name if len(by_target) > 1 else folder
        exported = read_exported(builds.stack.layers, target, output)
        plans.append(
            plan_export(layers, builds.made_for(target, chosen), replace(options, output=output), exported)
        )
    return tuple(plans)


def run_exporting(
    session: Session,
    builds: StackBuilds,
    options: ExportOptions,
    include: Collection[str] | None,
    platforms: Collection[str],
) -> tuple[Outputs[ExportManifest], ...]:
    """Export layers that are built."""
    with _hold_output(session, options.output):
        plans = make_export_plans(builds, options, include, platforms)
        _check_built(builds, plans)
        return tuple(run_export(plan, session.work) for plan in plans)


def _output_folder(stack: Stack, path: str | os.PathLike[str]) -> Path:
    folder = in_definition(stack, path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"The output folder {folder} is a file.", hint="name another folder")
    return folder


@contextmanager
def _hold_output(session: Session, path: str | os.PathLike[str]) -> Iterator[None]:
    folder, options = _output_folder(session.stack, path), session.options
    with hold_output(folder, wait=options.wait, observe=options.observe):
        yield


def _check_built(builds: StackBuilds, plans: Sequence[OutputPlan[Any]]) -> None:
    """Ensure that the layers whose outputs are made are built; what is kept needs no built layer."""
    made = [planned.build for plan in plans for planned in plan.layers if not planned.is_kept]
    if made:
        by_target = builds.select(
            {build.layer.build_name for build in made}, {build.target.name for build in made}
        )
        layers = [build for of_target in by_target.values() for build in of_target]
        check_built(layers, {build.key for build in made})
