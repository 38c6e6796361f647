"""Getting layers to where they belong: made beside their places, durable, and then renamed into them."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from venvstacks import files
from venvstacks.archives.index import ArchiveIndex
from venvstacks.archives.pool import FramePool, frame_pool
from venvstacks.archives.staging import own_folder, remove_abandoned
from venvstacks.deploying.delta_way import patch_layer
from venvstacks.deploying.downloads import DamagedBlobError
from venvstacks.deploying.durability import make_durable, sync_folder
from venvstacks.deploying.fetch_files import damaged_store
from venvstacks.deploying.fetch_plan import Fetch, FetchPlan, Option, Patch, PlannedLayer, Way
from venvstacks.deploying.fetching import Fetching
from venvstacks.deploying.frames_way import fetch_layer
from venvstacks.deploying.inventory import PresentLayer
from venvstacks.deploying.links import is_link, leads_to, make_link, remove_link
from venvstacks.deploying.places import Home, LayerPlace
from venvstacks.deploying.staged_layer import add_links, write_facts, write_home
from venvstacks.errors import ArchiveError, DeltaError, FilesystemError, NotInStoreError
from venvstacks.events import Finished, Meter, Planned, Started, Step, Warned
from venvstacks.humanize import size_text
from venvstacks.stores.interface import Store
from venvstacks.work import Task, Work, run_tasks

_WORDS = {
    Way.COPY: "shared with a layer that is there",
    Way.DELTA: "made with a delta",
    Way.FRAMES: "fetched in part",
    Way.ARCHIVE: "fetched",
}
_TRY_NEXT = (ArchiveError, DeltaError, NotInStoreError, DamagedBlobError)


def provide_layers(plan: FetchPlan, home: Home, store: Store, work: Work) -> None:
    """Get layers to where they belong; those that are there stay as they are.

    Each appears at once, with its index, its lease and the links to the layers below, after the disk holds it.
    What was fetched stays if a run is killed, and the next one goes on with it. Only one run at a time may do this
    in a deployment's folder.

    Raises:
        StoreError: The store does not answer, or what it has is damaged.
        FilesystemError: There is not enough space, or the folder cannot be written to.
    """
    for warning in plan.warnings:
        work.observe(Warned(warning))
    work.observe(Planned(Step.DEPLOY, tuple(planned.layer.layer_name for planned in plan.layers)))
    with files.explain_os_errors(f"deploy into {home.root}"):
        for planned in plan.layers:
            if planned.way is Way.KEEP:
                _check_links(planned)
                if os.name == "nt":
                    write_home(planned, planned.place)
                name = planned.layer.layer_name
                work.observe(Finished(Step.DEPLOY, name, changed=False, summary="unchanged", seconds=0.0))
        if plan.missing:
            _check_space(plan, home)
            home.layers.mkdir(parents=True, exist_ok=True)
            _Provider(plan, home, store, work).run()
        files.remove_tree(home.downloads)
        remove_abandoned(home.layers)


def _check_links(planned: PlannedLayer) -> None:
    """Make links again that lead elsewhere, as junctions do when their folder has been moved."""
    for below in planned.below:
        place, target = planned.place.folder / below.install_target, f"../{below.id}/{below.install_target}"
        if not os.path.lexists(place):
            make_link(place, target)
        elif is_link(place) and not leads_to(place, target):
            remove_link(place)
            make_link(place, target)


def _check_space(plan: FetchPlan, home: Home) -> None:
    parent = next(folder for folder in (home.layers, *home.layers.parents) if folder.is_dir())
    free = shutil.disk_usage(parent).free
    if plan.disk > free:
        raise FilesystemError(
            f"The layers need {size_text(plan.disk)} in {home.root}, and {size_text(free)} are free.",
            hint="free some space, or deploy into another folder",
        )


class _Provider:
    """One run."""

    def __init__(self, plan: FetchPlan, home: Home, store: Store, work: Work) -> None:
        self._plan = plan
        self._home = home
        self._store = store
        self._work = work
        self._stages: dict[str, LayerPlace] = {}

    def run(self) -> None:
        """Make all layers that are missing, and put them into their places."""
        missing = self._plan.missing
        with ExitStack() as stages:
            for planned in missing:
                folder = stages.enter_context(own_folder(planned.place.folder))
                self._stages[planned.place.id] = replace(planned.place, folder=folder)
            try:
                self._make_all()
                make_durable(place.folder for place in self._stages.values())
                for planned in missing:
                    self._put_in_place(planned)
                sync_folder(self._home.layers)
            except BaseException as error:
                self._clean_up(everything=isinstance(error, OSError))
                raise

    def _clean_up(self, *, everything: bool) -> None:
        """Remove what is of no use to the next run; of all that was written if the disk is full, for example."""
        for place in self._stages.values():
            if everything or not place.index.is_file():
                files.remove_tree(place.folder)
        if everything:
            files.remove_tree(self._home.downloads)

    def _make_all(self) -> None:
        largest_first = sorted(self._plan.missing, key=lambda planned: -planned.disk)
        with frame_pool(self._work) as pool:
            fetching = Fetching(self._store, self._home.downloads, pool, self._warn)
            run_tasks([self._task(planned, fetching) for planned in largest_first], self._work)
            self._add_links(pool)

    def _warn(self, message: str) -> None:
        self._work.observe(Warned(message))

    def _task(self, planned: PlannedLayer, fetching: Fetching) -> Task[str, None]:
        make = partial(self._make, planned, fetching)
        return Task(f"deploy {planned.layer.layer_name}", planned.place.id, (), make)

    def _make(self, planned: PlannedLayer, fetching: Fetching, _: Mapping[str, None]) -> None:
        begin = time.monotonic()
        name = planned.layer.layer_name
        self._work.observe(Started(Step.DEPLOY, name))
        stage = self._stages[planned.place.id]
        way = self._try_ways(planned, stage.path, fetching)
        write_facts(planned, stage)
        layer = planned.layer
        for sha256 in (layer.archive.sha256, *(delta.sha256 for delta in layer.deltas)):
            (fetching.downloads / sha256).unlink(missing_ok=True)  # from now on, the layer itself is gone on with
        seconds = time.monotonic() - begin
        self._work.observe(Finished(Step.DEPLOY, name, changed=True, summary=_WORDS[way], seconds=seconds))

    def _try_ways(self, planned: PlannedLayer, destination: Path, fetching: Fetching) -> Way:
        name = planned.layer.layer_name
        for option in planned.options:
            try:
                self._take(planned, option, destination, fetching)
            except _TRY_NEXT as error:
                if option is planned.options[-1]:
                    raise damaged_store(self._store, planned.layer, error) from error
                fetching.warn(f"{name} cannot be {_WORDS[option.way]}: {error.message} Another way is tried.")
            else:
                return option.way
        raise ValueError(planned.options)

    def _take(self, planned: PlannedLayer, option: Option, destination: Path, fetching: Fetching) -> None:
        progress = Meter(self._work.observe, Step.DEPLOY, planned.layer.layer_name, planned.size).add
        match option:
            case Patch():
                patch_layer(planned, option, destination, fetching, progress)
            case Fetch():
                fetch_layer(planned, option, destination, fetching, progress)

    def _add_links(self, pool: FramePool) -> None:
        known: dict[str, Callable[[], ArchiveIndex]] = {
            planned.place.id: partial(_index_of, planned) for planned in self._plan.layers
        }
        for planned in self._plan.missing:
            stage = self._stages[planned.place.id]
            add_links(planned, stage, where=self._where, indexes=known, pool=pool)

    def _where(self, place: LayerPlace) -> Path:
        return self._stages.get(place.id, place).path

    def _put_in_place(self, planned: PlannedLayer) -> None:
        folder = self._stages[planned.place.id].folder
        if os.path.lexists(planned.place.folder):  # what is there is not whole
            files.replace_tree(folder, planned.place.folder)
        else:
            folder.replace(planned.place.folder)


def _index_of(planned: PlannedLayer) -> ArchiveIndex:
    index = PresentLayer(planned.place).index if planned.index is None else planned.index.index
    if index is None:
        raise ArchiveError(f"The index {planned.place.index} is damaged.")
    return index
