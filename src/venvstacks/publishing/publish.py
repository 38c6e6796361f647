"""Carrying out a publication."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from venvstacks.archives.write import write_archive
from venvstacks.events import Finished, Planned, Started, Step, Warned
from venvstacks.publishing.manifests import ArchiveManifest, StackManifest, write_manifest
from venvstacks.publishing.plan import Action, PlannedArchive, PublishOptions, PublishPlan
from venvstacks.publishing.reporting import Meter, content_size, explained, remove_leftovers
from venvstacks.wording import size_text
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


def run_publish(plan: PublishPlan, work: Work) -> PublishResult:
    """Make the planned archives and write the manifests.

    A layer's manifest is written after its archive, the stack's after all. Whatever ends the process, each
    of these files is whole, and the next run goes on from there.

    Args:
        plan: What to do.
        work: How; layers are compressed in parallel, the largest first.

    Raises:
        PublishError: A layer changed meanwhile, or holds what cannot be put into an archive.
        FilesystemError: Something cannot be read or written.
    """
    remove_leftovers(plan.options.output)
    work.observe(Planned(Step.PUBLISH, tuple(archive.layer for archive in plan.archives)))
    largest_first = sorted(plan.archives, key=lambda archive: -content_size(archive.built))
    done = run_tasks([Task(a.layer, (), partial(_publish, a, plan.options, work)) for a in largest_first], work)
    manifest = plan.manifest({name: archive.manifest for name, archive in done.items()})
    with explained("write the stack's manifest"):
        write_manifest(plan.manifest_path, manifest)
    return PublishResult(plan.manifest_path, manifest, tuple(done[archive.layer] for archive in plan.archives))


def _publish(
    planned: PlannedArchive, options: PublishOptions, work: Work, _: Mapping[str, PublishedArchive]
) -> PublishedArchive:
    begin = time.monotonic()
    created = planned.action is Action.CREATE
    built = planned.built
    platform = built.target.name
    work.observe(Started(Step.PUBLISH, planned.layer, platform))
    with explained(f"publish {built.layer.title} for {built.target.name}"):
        manifest = _make(planned, options, work) if created else planned.manifest
        write_manifest(planned.manifest_path, manifest)
    summary = (
        f"{size_text(manifest.archive_size or 0)}, build {manifest.archive_build}" if created else planned.reason
    )
    work.observe(Finished(Step.PUBLISH, planned.layer, created, summary, time.monotonic() - begin, platform))
    return PublishedArchive(planned.layer, planned.destination, created, manifest)


def _make(planned: PlannedArchive, options: PublishOptions, work: Work) -> ArchiveManifest:
    built = planned.built
    digest = write_archive(
        built.entries,
        built.folder,
        built.lock.install_target,
        planned.destination,
        format=options.format,
        level=options.level,
        mtime=built.lock.locked_at_seconds,
        progress=Meter(work.observe, Step.PUBLISH, built).add,
        check=work.cancellation.check,
    )
    if planned.published_sha256 not in (None, digest.sha256):
        work.observe(
            Warned(
                f"The archive of {built.layer.title} ({planned.destination.name}) was made again under the same "
                "build number, and differs from the one that was published."
            )
        )
    return msgspec.structs.replace(
        planned.manifest,
        archive_size=digest.size,
        archive_hashes={"sha256": digest.sha256},
        archive_content_hash=f"sha256:{digest.content_sha256}",
    )
