"""Reading everything that a store has, and comparing it with what was signed."""

import hashlib
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from venvstacks import files
from venvstacks.archives.index import Frame
from venvstacks.deltas.delta_file import read_header
from venvstacks.deploying.layer_indexes import check_layer_index
from venvstacks.errors import StoreError, VenvstacksError
from venvstacks.events import Finished, Meter, Planned, Started, Step
from venvstacks.humanize import size_text
from venvstacks.releases.release_files import read_release
from venvstacks.releases.release_format import DeltaReference, Release, ReleaseLayer
from venvstacks.releasing.push_prepare import many
from venvstacks.stores.interface import BLOBS, Blob, Store, blob_hash
from venvstacks.trust.repository_state import RepositoryState
from venvstacks.work import Task, Work, run_tasks


@dataclass(frozen=True, slots=True)
class StoreProblem:
    """Something that is wrong with a store.

    Attributes:
        name: Name of the file.
        message: What is wrong.
    """

    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What was found in a store.

    Attributes:
        store: Its address.
        releases: How many release files it has, one for each release and platform.
        blobs: How many blobs were read.
        bytes: How many bytes these have.
        problems: What is wrong; none if clients can get all that was signed.
    """

    store: str
    releases: int
    blobs: int
    bytes: int
    problems: tuple[StoreProblem, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as values for JSON."""
        return {
            "store": self.store,
            "releases": self.releases,
            "blobs": self.blobs,
            "size": self.bytes,
            "problems": [{"name": each.name, "message": each.message} for each in self.problems],
        }


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came out of looking at some blobs."""

    blobs: int
    size: int
    problems: tuple[StoreProblem, ...]


def verify_store(store: Store, state: RepositoryState, work: Work, *, now: datetime | None = None) -> StoreReport:
    """Read every release file and every blob of a store, and compare them with their hashes and with each other.

    Args:
        store: The store; of one that lists its files, blobs that no release needs are read as well.
        state: Its metadata, whose signatures are verified.
        work: Who is told of it.
        now: The time, instead of now.
    """
    problems = list(_expired(state, now or datetime.now(UTC)))
    releases = []
    for entry in state.catalog.entries:
        try:
            releases.append(read_release(store, entry))
        except VenvstacksError as error:
            problems.append(StoreProblem(entry.name, error.message))
    layers = {(layer.archive.sha256, layer.index.sha256): (release, layer) for release, layer in _layers(releases)}
    deltas = {d.sha256: (d, release, layer) for release, layer in _layers(releases) for d in layer.deltas}
    work.observe(Planned(Step.VERIFY, tuple(layer.layer_name for _, layer in layers.values())))
    with tempfile.TemporaryDirectory(prefix=files.TEMPORARY_PREFIX) as folder:
        checker = _Checker(store, Path(folder), work)
        tasks: list[Task[object, _Checked]] = [
            Task(f"verify {layer.layer_name}", key, (), partial(checker.layer, release, layer))
            for key, (release, layer) in layers.items()
        ]
        tasks += [
            Task(f"verify {each[0].name}", key, (), partial(checker.delta, *each)) for key, each in deltas.items()
        ]
        known = {key for pair in layers for key in pair} | deltas.keys()
        tasks += [
            Task(f"verify {blob.name}", blob.sha256, (), partial(checker.other, blob))
            for blob in _others(store, known)
        ]
        done = run_tasks(tasks, many(work)).values()
    return StoreReport(
        store.address,
        len(state.catalog.entries),
        sum(each.blobs for each in done),
        sum(each.size for each in done),
        tuple(problems) + tuple(problem for each in done for problem in each.problems),
    )


def _expired(state: RepositoryState, now: datetime) -> Iterator[StoreProblem]:
    for role, expires in state.expires.items():
        if expires <= now:
            yield StoreProblem(
                f"metadata of {role}",
                f"the signatures expired on {expires:%Y-%m-%d %H:%M} UTC: clients refuse them",
            )


def _layers(releases: Sequence[Release]) -> Iterator[tuple[Release, ReleaseLayer]]:
    return ((release, layer) for release in releases for layer in release.layers)


def _others(store: Store, known: Collection[str]) -> Iterator[Blob]:
    """Find blobs that no release needs, where files can be listed: the next push may rely on them."""
    names = getattr(store, "names", None)  # web servers have none
    for listed in names(f"{BLOBS}/") if names else ():
        sha256 = blob_hash(listed.name)
        if sha256 is not None and sha256 not in known:
            yield Blob(sha256, listed.size)


class _Checker:
    """Reads blobs, and compares them with their hashes and with what describes them."""

    def __init__(self, store: Store, folder: Path, work: Work) -> None:
        self._store = store
        self._folder = folder
        self._work = work

    def layer(self, release: Release, layer: ReleaseLayer, _: object) -> _Checked:
        """Read the archive and the index of a layer."""
        begin = time.monotonic()
        platform = release.platform
        self._work.observe(Started(Step.VERIFY, layer.layer_name, platform))
        size = layer.archive.size
        meter = Meter(self._work.observe, Step.VERIFY, layer.layer_name, size, platform)
        frames: list[Frame] = []
        found = self._look(layer.index.name, partial(self._index, release, layer, frames))
        found += self._look(layer.archive.name, partial(self._archive, layer, frames, meter))
        words = size_text(size) if not found else found[0].message
        seconds = time.monotonic() - begin
        self._work.observe(Finished(Step.VERIFY, layer.layer_name, not found, words, seconds, platform))
        return _Checked(2, size + layer.index.size, tuple(found))

    def delta(self, delta: DeltaReference, release: Release, layer: ReleaseLayer, _: object) -> _Checked:
        """Read a delta."""

        def check() -> str:
            path = self._folder / f"{delta.sha256}.vdelta"
            with path.open("wb") as file:
                self._read(Blob(delta.sha256, delta.size), file.write)
            header, _ = read_header(path, check=False)
            path.unlink()
            described = header.layer_name, header.target_platform, header.old_content_hash, header.content_hash
            expected = layer.layer_name, release.platform, delta.from_content_hash, layer.content_hash
            return "" if described == expected else f"it is no delta to {layer.layer_name} for {release.platform}"

        return _Checked(1, delta.size, tuple(self._look(delta.name, check)))

    def other(self, blob: Blob, _: object) -> _Checked:
        """Read a blob of which nothing but its name is known."""

        def check() -> str:
            self._read(blob, lambda _: None)
            return ""

        return _Checked(1, blob.size, tuple(self._look(blob.name, check)))

    def _look(self, name: str, check: Callable[[], str]) -> list[StoreProblem]:
        self._work.cancellation.check()
        try:
            problem = check()
        except VenvstacksError as error:
            problem = error.message
        return [StoreProblem(name, problem)] if problem else []

    def _index(self, release: Release, layer: ReleaseLayer, frames: list[Frame]) -> str:
        data = bytearray()
        self._read(Blob(layer.index.sha256, layer.index.size), data.extend)
        frames.extend(check_layer_index(bytes(data), layer, release.platform).index.frames)
        return ""

    def _archive(self, layer: ReleaseLayer, frames: Sequence[Frame], meter: Meter) -> str:
        hashes = _FrameHashes(frames)

        def take(piece: bytes) -> None:
            self._work.cancellation.check()
            meter.add(len(piece))
            hashes.update(piece)

        self._read(Blob(layer.archive.sha256, layer.archive.size), take)
        return f"frame {hashes.wrong[0]} is not the one that the index describes" if hashes.wrong else ""

    def _read(self, blob: Blob, take: Callable[[bytes], object]) -> None:
        """Read a blob to its end, and compare it with its name.

        Raises:
            StoreError: It is not there, or something else.
        """
        size = self._store.size(blob.name)
        if size != blob.size:
            there = "it is not there" if size is None else f"it has {size} bytes, not {blob.size}"
            raise StoreError(there)
        digest = hashlib.sha256()
        for piece in self._store.stream(blob.name, 0, blob.size) if blob.size else ():
            digest.update(piece)
            take(piece)
        if digest.hexdigest() != blob.sha256:
            raise StoreError("its content is not what its name says")


class _FrameHashes:
    """Compares the frames of an archive with an index while the archive is read from its beginning."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.wrong: list[int] = []
        self._frames = deque(enumerate(frames))
        self._place = 0
        self._digest = hashlib.sha256()

    def update(self, piece: bytes) -> None:
        """Take the next bytes of the archive."""
        rest = memoryview(piece)
        while rest and self._frames:
            number, frame = self._frames[0]
            begin = max(0, frame.offset - self._place)  # zip archives have something between frames
            part = rest[begin : max(begin, frame.offset + frame.size - self._place)]
            self._digest.update(part)
            taken = min(begin, len(rest)) + len(part)
            self._place += taken
            rest = rest[taken:]
            if self._place == frame.offset + frame.size:
                if self._digest.hexdigest() != frame.sha256:
                    self.wrong.append(number)
                self._frames.popleft()
                self._digest = hashlib.sha256()
