"""Carrying out a local export."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from venvstacks import files
from venvstacks.entries import Entry, EntryKind
from venvstacks.events import Finished, Meter, Planned, Started, Step
from venvstacks.humanize import size_text
from venvstacks.manifests.manifest_format import ExportManifest, StackManifest, write_manifest
from venvstacks.publishing.copying import Copier
from venvstacks.publishing.export_plan import ExportPlan, PlannedExport
from venvstacks.publishing.outcomes import content_size, explained, remove_leftovers, truthful
from venvstacks.publishing.publish_plan import Action
from venvstacks.work import Task, Work, run_tasks

_CHUNK_ENTRIES = 256
_CHUNK_SIZE = 32 << 20

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ExportedLayer:
    """A layer's folder, complete in the export.

    Attributes:
        layer: Build name.
        path: The folder.
        created: False if it was there already.
        manifest: The layer's manifest.
    """

    layer: str
    path: Path
    created: bool
    manifest: ExportManifest


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export has done.

    Attributes:
        manifest_path: The stack's manifest.
        manifest: Its content.
        layers: The selected layers, in the stack's order.
    """

    manifest_path: Path
    manifest: StackManifest
    layers: tuple[ExportedLayer, ...]


def run_export(plan: ExportPlan, work: Work) -> ExportResult:
    """Make the planned folders and write the manifests.

    Each layer is copied beside its final name, in parts that any thread may take, and put in place when it
    is complete. Whatever ends the process, the next run goes on from there.
    """
    remove_leftovers(plan.options.output)
    work.observe(Planned(Step.EXPORT, tuple(export.layer for export in plan.exports)))
    copies = [_Copy(export, work) for export in plan.exports if export.action is Action.CREATE]
    with (
        truthful(plan, plan.exports, ExportManifest, "exported"),
        _removed_on_failure([copy.temporary for copy in copies]),
    ):
        run_tasks([task for copy in copies for task in copy.tasks()], work)
    for export in plan.exports:
        if export.action is Action.KEEP:
            platform = export.built.target.name
            work.observe(Started(Step.EXPORT, export.layer, platform))
            with explained(f"export {export.built.layer.title}"):
                write_manifest(export.manifest_path, export.manifest)
            work.observe(Finished(Step.EXPORT, export.layer, False, export.reason, 0.0, platform))  # noqa: FBT003 - an event's field
    manifest = plan.manifest({export.layer: export.manifest for export in plan.exports})
    with explained("write the stack's manifest"):
        write_manifest(plan.manifest_path, manifest)
    layers = tuple(
        ExportedLayer(e.layer, e.destination, e.action is Action.CREATE, e.manifest) for e in plan.exports
    )
    return ExportResult(plan.manifest_path, manifest, layers)


@contextmanager
def _removed_on_failure(folders: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for folder in folders:
            files.remove_tree(folder)
        raise


class _Copy:
    """The parts of copying one layer."""

    def __init__(self, export: PlannedExport, work: Work) -> None:
        self.temporary = files.temporary_beside(export.destination)
        self._export = export
        self._work = work
        built = export.built
        self._meter = Meter(work.observe, Step.EXPORT, export.layer, content_size(built), built.target.name)
        self._copier = Copier(export.built.folder, self.temporary)
        self._begin = 0.0

    def tasks(self) -> Iterator[Task[_Key, None]]:
        """Return the parts: the folders, then everything else in any order, then putting it in place."""
        layer = self._export.layer
        folders = [e for e in self._export.built.entries if e.kind is EntryKind.FOLDER]
        others = [e for e in self._export.built.entries if e.kind is not EntryKind.FOLDER]
        begin, end = (layer, "begin"), (layer, "end")
        copies = {
            (layer, f"part {n}"): partial(self._copy_entries, chunk) for n, chunk in enumerate(_chunks(others))
        }
        yield self._task(begin, (), partial(self._make_folders, folders))
        yield from (self._task(key, (begin,), copy) for key, copy in copies.items())
        yield self._task(end, (begin, *copies), self._put_in_place)

    def _task(self, key: _Key, needs: tuple[_Key, ...], run: Callable[[], None]) -> Task[_Key, None]:
        return Task(f"export {' '.join(key)}", key, needs, partial(self._explained, run))

    def _explained(self, run: Callable[[], None], _: Mapping[_Key, None]) -> None:
        with explained(f"export {self._export.built.layer.title}"):
            run()

    def _make_folders(self, folders: Sequence[Entry]) -> None:
        self._begin = time.monotonic()
        built = self._export.built
        self._work.observe(Started(Step.EXPORT, built.layer.build_name, built.target.name))
        self.temporary.mkdir(parents=True)
        for entry in folders:
            self._copier.copy(entry)

    def _copy_entries(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._work.cancellation.check()
            self._copier.copy(entry)
            self._meter.add(entry.size)

    def _put_in_place(self) -> None:
        """Put the finished folder in place.

        At every moment each folder has a manifest that names it, so that the next run knows it for an
        export's, and what a manifest describes is whole or absent.
        """
        export = self._export
        if export.replaces is not None:
            old = files.temporary_beside(export.replaces)
            export.replaces.replace(old)
            files.remove_tree(old)
        if not export.claimed:
            write_manifest(export.manifest_path, export.manifest)
        files.replace_tree(self.temporary, export.destination)
        write_manifest(export.manifest_path, export.manifest)
        seconds, size = time.monotonic() - self._begin, size_text(content_size(export.built))
        platform = export.built.target.name
        self._work.observe(Finished(Step.EXPORT, export.layer, True, size, seconds, platform))  # noqa: FBT003 - an event's field


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Divide entries into parts of about the same work."""
    first, size = 0, 0
    for position, entry in enumerate(entries):
        if position - first >= _CHUNK_ENTRIES or size >= _CHUNK_SIZE:
            yield entries[first:position]
            first, size = position, 0
        size += entry.size
    if first < len(entries):
        yield entries[first:]
