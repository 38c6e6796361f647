"""Carrying out a publication."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from venvstacks import files
from venvstacks.archives.archive_plan import plan_archive
from venvstacks.archives.archive_writer import write_archive
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.building.installed import distributions_by_path, read_installed
from venvstacks.building.layer_layout import layer_layout
from venvstacks.events import Finished, Meter, Planned, Started, Step, Warned
from venvstacks.humanize import counted, size_text
from venvstacks.manifests.manifest_format import DELTA_SUFFIX, ArchiveManifest, StackManifest, write_manifest
from venvstacks.publishing.deltas import delta_pool, describe_deltas, make_deltas, remove_useless_deltas
from venvstacks.publishing.outcomes import content_size, explained, remove_leftovers, truthful
from venvstacks.publishing.publish_plan import Action, PlannedArchive, PublishOptions, PublishPlan
from venvstacks.work import Task, Work, run_tasks


@dataclass(frozen=True, slots=True)
class PublishedArchive:
    """A layer's archive, complete in the output folder.

    Attributes:
        layer: Build name.
        path: The archive.
        created: False if it was there already.
        manifest: The layer's manifest.
    """

    layer: str
    path: Path
    created: bool
    manifest: ArchiveManifest


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What a publication has done.

    Attributes:
        manifest_path: The stack's manifest.
        manifest: Its content.
        archives: The selected layers, in the stack's order.
    """

    manifest_path: Path
    manifest: StackManifest
    archives: tuple[PublishedArchive, ...]


def run_publish(plan: PublishPlan, work: Work, cache: FrameCache | None = None) -> PublishResult:
    """Make the planned archives and write the manifests.

    A layer's index is written after its archive, its deltas after both, then its manifest, and the stack's after
    all. Where deltas are wanted, nothing of this takes its place before all of it is ready: an archive that is
    replaced is what a delta leads from. Whatever ends the process, each of these files is whole, and the next run
    goes on from there.
    """
    remove_leftovers(plan.options.output)
    work.observe(Planned(Step.PUBLISH, tuple(archive.layer for archive in plan.archives)))
    largest_first = sorted(plan.archives, key=lambda archive: -content_size(archive.built))
    with frame_pool(work) as pool, delta_pool(work) as deltas:
        run = _Run(plan.options, work, pool, deltas, cache)
        tasks = [
            Task(f"publish {a.layer} for {a.built.target.name}", a.layer, (), partial(_publish, a, run))
            for a in largest_first
        ]
        with truthful(plan, plan.archives, ArchiveManifest, "published"):
            done = run_tasks(tasks, work)
    if cache is not None:
        _tidy(cache, work)
    manifest = plan.manifest({name: archive.manifest for name, archive in done.items()})
    with explained("write the stack's manifest"):
        write_manifest(plan.manifest_path, manifest)
    return PublishResult(plan.manifest_path, manifest, tuple(done[archive.layer] for archive in plan.archives))


@dataclass(frozen=True, slots=True)
class _Run:
    """What the layers of one publication share."""

    options: PublishOptions
    work: Work
    pool: FramePool
    delta_pool: FramePool
    cache: FrameCache | None


def _tidy(cache: FrameCache, work: Work) -> None:
    cache.trim()
    if (problem := cache.problem) is not None:
        error = files.explain_os_error(problem, f"keep compressed parts for the next run in {cache.folder}")
        work.observe(Warned(f"{error.message}. It will take longer than it has to."))


def _publish(planned: PlannedArchive, run: _Run, _: Mapping[str, PublishedArchive]) -> PublishedArchive:
    begin = time.monotonic()
    work = run.work
    created = planned.action is Action.CREATE
    built = planned.built
    platform = built.target.name
    work.observe(Started(Step.PUBLISH, planned.layer, platform))
    with explained(f"publish {built.layer.title} for {built.target.name}"):
        if planned.deltas:
            manifest = _make_with_deltas(planned, run)
        else:
            manifest = _make(planned, run, planned.destination) if created else planned.manifest
        manifest = describe_deltas(planned, manifest)
        write_manifest(planned.manifest_path, manifest)
        remove_useless_deltas(planned, manifest)
    changed = created or manifest != planned.manifest
    work.observe(
        Finished(
            Step.PUBLISH, planned.layer, changed, _summary(planned, manifest), time.monotonic() - begin, platform
        )
    )
    return PublishedArchive(planned.layer, planned.destination, created, manifest)


def _summary(planned: PlannedArchive, manifest: ArchiveManifest) -> str:
    deltas = manifest.archive_deltas or ()
    told = f", {counted(len(deltas), 'delta')}" if deltas else ""
    if planned.action is Action.CREATE:
        return f"{size_text(manifest.archive_size or 0)}, build {manifest.archive_build}{told}"
    return f"{planned.reason}{told}"


def _make_with_deltas(planned: PlannedArchive, run: _Run) -> ArchiveManifest:
    """Make what is missing of an archive and its deltas; all of it takes its place when it is ready."""
    output = planned.destination.parent
    output.mkdir(parents=True, exist_ok=True)
    staging = files.temporary_beside(planned.destination)
    staging.mkdir()
    try:
        archive, manifest = planned.destination, planned.manifest
        if planned.action is Action.CREATE:
            archive = staging / planned.destination.name
            manifest = _make(planned, run, archive)
        make_deltas(planned, archive, staging, options=run.options, pool=run.delta_pool, work=run.work)
        # Deltas first: should the process end before the manifest is written, the next run finds them.
        for path in sorted(staging.iterdir(), key=lambda path: (path.suffix != DELTA_SUFFIX, path.name)):
            path.replace(output / path.name)
    finally:
        files.remove_tree(staging)
    return manifest


def _make(planned: PlannedArchive, run: _Run, destination: Path) -> ArchiveManifest:
    built = planned.built
    layout = layer_layout(built.layer.kind, built.target, built.lock.python)
    written = write_archive(
        plan_archive(
            built.entries,
            built.lock.install_target,
            mtime=built.lock.locked_at_seconds,
            profile=run.options.profile,
            group_of=distributions_by_path(read_installed(built.folder, layout.site)),
            windows=built.target.is_windows,
        ),
        built.folder,
        destination,
        layer_name=planned.layer,
        target_platform=built.target.name,
        pool=run.pool,
        cache=run.cache,
        progress=Meter(run.work.observe, Step.PUBLISH, planned.layer, content_size(built), built.target.name).add,
        check=run.work.cancellation.check,
    )
    if planned.published_sha256 not in (None, written.archive.sha256):
        run.work.observe(
            Warned(
                f"The archive of {built.layer.title} ({planned.destination.name}) was made again under the same "
                "build number, and differs from the one that was published."
            )
        )
    return msgspec.structs.replace(
        planned.manifest,
        archive_size=written.archive.size,
        archive_hashes={"sha256": written.archive.sha256},
        archive_content_hash=written.content_hash,
        archive_index_name=written.index.name,
        archive_index_size=written.index.size,
        archive_index_hashes={"sha256": written.index.sha256},
    )
