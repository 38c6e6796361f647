"""Carrying out a local export."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from venvstacks import files
from venvstacks.entries import Entry, EntryKind, batches
from venvstacks.events import Finished, Meter, Planned, Started, Step
from venvstacks.humanize import size_text
from venvstacks.manifests.manifest_format import ExportManifest, write_manifest
from venvstacks.publishing.copying import Copier
from venvstacks.publishing.export_plan import ExportPlan, PlannedExport
from venvstacks.publishing.outputs import Outputs, describe_failure, explain, finish_outputs, remove_unfinished
from venvstacks.work import Task, Work, run_tasks

_CHUNK_ENTRIES = 256
_CHUNK_SIZE = 32 << 20

_Key = tuple[str, str]


def run_export(plan: ExportPlan, work: Work) -> Outputs[ExportManifest]:
    """Make the planned folders and write the manifests.

    Each layer is copied beside its final name, in parts that any thread may take, and put in place when it
    is complete. Whatever ends the process, the next run goes on from there.
    """
    remove_unfinished(plan.output)
    work.observe(Planned(Step.EXPORT, tuple(export.layer for export in plan.layers)))
    copies = [_Copy(export, work) for export in plan.layers if not export.is_kept]
    with describe_failure(plan, ExportManifest, "exported"):
        try:
            run_tasks([task for copy in copies for task in copy.tasks()], work)
        finally:
            for copy in copies:
                files.remove_tree(copy.temporary)
    for export in plan.layers:
        if export.is_kept:
            platform = export.build.target.name
            work.observe(Started(Step.EXPORT, export.layer, platform))
            with explain(f"export {export.build.layer.title}"):
                write_manifest(export.manifest_path, export.manifest)
            work.observe(Finished(Step.EXPORT, export.layer, False, export.reason, 0.0, platform))  # noqa: FBT003 - an event's field
    return finish_outputs(plan, {export.layer: export.manifest for export in plan.layers})


class _Copy:
    """The parts of copying one layer."""

    def __init__(self, export: PlannedExport, work: Work) -> None:
        self.temporary = files.temporary_beside(export.destination)
        self._export = export
        self._work = work
        build = export.build
        self._meter = Meter(work.observe, Step.EXPORT, export.layer, build.size, build.target.name)
        self._copier = Copier(export.build.folder, self.temporary)
        self._begin = 0.0

    def tasks(self) -> Iterator[Task[_Key, None]]:
        """Return the parts: the folders, then everything else in any order, then putting it in place."""
        layer = self._export.layer
        folders = [e for e in self._export.build.entries if e.type is EntryKind.FOLDER]
        others = [e for e in self._export.build.entries if e.type is not EntryKind.FOLDER]
        yield self._task((layer, "begin"), (), partial(self._make_folders, folders))
        keys = []
        for number, chunk in enumerate(batches(others, _CHUNK_ENTRIES, _CHUNK_SIZE)):
            keys.append((layer, f"part {number}"))
            yield self._task(keys[-1], ((layer, "begin"),), partial(self._copy_entries, chunk))
        yield self._task((layer, "end"), ((layer, "begin"), *keys), self._put_in_place)

    def _task(self, key: _Key, needs: tuple[_Key, ...], run: Callable[[], None]) -> Task[_Key, None]:
        return Task(f"export {' '.join(key)}", key, needs, partial(self._explained, run))

    def _explained(self, run: Callable[[], None], _: Mapping[_Key, None]) -> None:
        with explain(f"export {self._export.build.layer.title}"):
            run()

    def _make_folders(self, folders: Sequence[Entry]) -> None:
        self._begin = time.monotonic()
        build = self._export.build
        self._work.observe(Started(Step.EXPORT, build.layer.build_name, build.target.name))
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
        seconds, size = time.monotonic() - self._begin, size_text(export.build.size)
        platform = export.build.target.name
        self._work.observe(Finished(Step.EXPORT, export.layer, True, size, seconds, platform))  # noqa: FBT003 - an event's field
