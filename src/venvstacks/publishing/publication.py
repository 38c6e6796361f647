"""Carrying out a publication."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from venvstacks import files
from venvstacks.archives.archive_plan import plan_archive
from venvstacks.archives.archive_writer import write_archive
from venvstacks.archives.frame_cache import FrameCache
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.building.installed import distributions_by_path, read_installed
from venvstacks.events import Finished, Meter, Planned, Started, Step, Warned
from venvstacks.humanize import counted, size_text
from venvstacks.manifests.manifest_format import DELTA_SUFFIX, ArchiveManifest, write_manifest
from venvstacks.publishing.deltas import MOST_JOBS, describe_deltas, make_deltas, remove_useless_deltas
from venvstacks.publishing.outputs import (
    Outputs,
    describe_failure,
    explain,
    finish_outputs,
    remove_unfinished,
)
from venvstacks.publishing.publish_plan import PlannedArchive, PublishOptions, PublishPlan, archive_profile
from venvstacks.work import Task, Work, run_tasks


def run_publish(plan: PublishPlan, work: Work, cache: FrameCache | None = None) -> Outputs[ArchiveManifest]:
    """Make the planned archives and write the manifests.

    A layer's index is written after its archive, its deltas after both, then its manifest, and the stack's after
    all. Where deltas are wanted, nothing of this takes its place before all of it is ready: an archive that is
    replaced is what a delta leads from. Whatever ends the process, each of these files is whole, and the next run
    goes on from there.

    Args:
        plan: What to do.
        work: The frames of several layers are compressed in parallel, the largest layer's first.
        cache: Frames of earlier runs; None to use none.

    Raises:
        PublishError: A layer changed meanwhile, or holds what cannot be put into an archive.
        ArchiveError: An archive is damaged that deltas shall lead from.
        FilesystemError: Something cannot be read or written.
    """
    remove_unfinished(plan.output)
    work.observe(Planned(Step.PUBLISH, tuple(planned.layer for planned in plan.layers)))
    largest_first = sorted(plan.layers, key=lambda planned: -planned.build.size)
    few = replace(work, jobs=min(work.jobs, MOST_JOBS))
    with frame_pool(work) as pool, frame_pool(few) as deltas:
        publisher = _Publisher(plan.options, work, pool, cache, deltas)
        tasks = [
            Task(f"publish {each.title}", each.layer, (), partial(publisher.publish, each))
            for each in largest_first
        ]
        with describe_failure(plan, ArchiveManifest, "published"):
            done = run_tasks(tasks, work)
    if cache is not None:
        cache.trim()
        if cache.problem is not None:
            doing = f"keep compressed parts for the next run in {cache.folder}"
            error = files.explain_os_error(cache.problem, doing)
            work.observe(Warned(f"{error.message}. It will take longer than necessary."))
    return finish_outputs(plan, done)


class _Publisher:
    """Publishes the layers of one publication."""

    def __init__(
        self, options: PublishOptions, work: Work, pool: FramePool, cache: FrameCache | None, deltas: FramePool
    ) -> None:
        self._options = options
        self._work = work
        self._pool = pool
        self._cache = cache
        self._deltas = deltas

    def publish(self, planned: PlannedArchive, _: Mapping[str, ArchiveManifest]) -> ArchiveManifest:
        """Make what is missing of a layer's archive and deltas, and write its manifest."""
        begin, observe = time.monotonic(), self._work.observe
        build = planned.build
        platform = build.target.name
        observe(Started(Step.PUBLISH, planned.layer, platform))
        with explain(f"publish {build.layer.title} for {platform}"):
            if planned.deltas:
                manifest = self._write_with_deltas(planned)
            else:
                manifest = planned.manifest if planned.is_kept else self._write(planned, planned.destination)
            manifest = describe_deltas(planned, manifest)
            write_manifest(planned.manifest_path, manifest)
            remove_useless_deltas(planned, manifest)
        changed = not planned.is_kept or manifest != planned.manifest
        seconds = time.monotonic() - begin
        observe(Finished(Step.PUBLISH, planned.layer, changed, _summarize(planned, manifest), seconds, platform))
        return manifest

    def _write_with_deltas(self, planned: PlannedArchive) -> ArchiveManifest:
        """Make what is missing of an archive and its deltas; all of it takes its place when it is ready."""
        output = planned.destination.parent
        output.mkdir(parents=True, exist_ok=True)
        staging = files.temporary_beside(planned.destination)
        staging.mkdir()
        try:
            archive, manifest = planned.destination, planned.manifest
            if not planned.is_kept:
                archive = staging / planned.destination.name
                manifest = self._write(planned, archive)
            make_deltas(planned, archive, staging, options=self._options, pool=self._deltas, work=self._work)
            # Deltas first: should the process end before the manifest is written, the next run finds them.
            for path in sorted(staging.iterdir(), key=lambda path: (path.suffix != DELTA_SUFFIX, path.name)):
                path.replace(output / path.name)
        finally:
            files.remove_tree(staging)
        return manifest

    def _write(self, planned: PlannedArchive, destination: Path) -> ArchiveManifest:
        build, observe = planned.build, self._work.observe
        archive, index, content_hash = write_archive(
            plan_archive(
                build.entries,
                build.lock.install_target,
                mtime=build.lock.locked_at_seconds,
                profile=archive_profile(self._options),
                group_of=distributions_by_path(read_installed(build.folder, build.layout.site)),
                windows=build.target.is_windows,
            ),
            build.folder,
            destination,
            layer_name=planned.layer,
            target_platform=build.target.name,
            pool=self._pool,
            cache=self._cache,
            progress=Meter(observe, Step.PUBLISH, planned.layer, build.size, build.target.name).add,
        )
        if planned.published_sha256 not in (None, archive.sha256):
            observe(
                Warned(
                    f"The archive of {build.layer.title} ({planned.destination.name}) was created again with the "
                    "same build number, but differs from the published one."
                )
            )
        return msgspec.structs.replace(
            planned.manifest,
            archive_size=archive.size,
            archive_hashes={"sha256": archive.sha256},
            archive_content_hash=content_hash,
            archive_index_name=index.name,
            archive_index_size=index.size,
            archive_index_hashes={"sha256": index.sha256},
        )


def _summarize(planned: PlannedArchive, manifest: ArchiveManifest) -> str:
    deltas = manifest.archive_deltas or ()
    listed = f", {counted(len(deltas), 'delta')}" if deltas else ""
    if planned.is_kept:
        return f"{planned.reason}{listed}"
    return f"{size_text(manifest.archive_size or 0)}, build {manifest.archive_build}{listed}"
