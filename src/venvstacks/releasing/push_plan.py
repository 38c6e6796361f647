"""Deciding what a push uploads, which deltas it makes, and what of it clients will see."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import structs

from venvstacks.errors import ReleaseError, UsageError
from venvstacks.releases.release_files import references, without_deltas
from venvstacks.releases.release_format import DeltaReference, Release, ReleaseLayer, check_version
from venvstacks.stores.interface import Blob
from venvstacks.trust.catalog import Catalog

DELTAS = 3
"""How many earlier releases deltas lead from, unless something else is said."""


class PushState(StrEnum):
    """What becomes of a release on one platform."""

    NEW = "new"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What is asked of a push.

    Attributes:
        release: Version of the release; empty for the one that has this very content already.
        channels: Names of the channels that shall lead to it.
        deltas: How many earlier releases deltas lead from.
        partial: Whether more platforms will follow, so that clients do not see the release yet.
    """

    release: str = ""
    channels: tuple[str, ...] = ()
    deltas: int = DELTAS
    partial: bool = False

    def __post_init__(self) -> None:
        for name in (*self.channels, *filter(None, [self.release])):
            check_version(name)
        if self.partial and self.channels:
            raise UsageError(
                "A partial release cannot have channels: clients do not see it yet.",
                hint="name them when its last platform is pushed, without --partial",
            )


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that the store does not have.

    Attributes:
        layer: Build name.
        platform: Target name.
        what: ``archive``, ``index`` or ``delta``.
        path: The file.
    """

    layer: str
    platform: str
    what: str
    path: Path
    blob: Blob  # what it is called in the store

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.blob.size


@dataclass(frozen=True, slots=True)
class PlannedDelta:
    """A delta that is made, or was made by ``publish``, and is listed if it turns out to be of use.

    Attributes:
        platform: Target name.
        version: Version of a release that has the layer's state that it leads from.
        made: The file that ``publish`` made; None if the delta is made now.
    """

    platform: str
    version: str
    made: Path | None
    layer: ReleaseLayer  # what it leads to
    base: ReleaseLayer  # what it leads from

    @property
    def layer_name(self) -> str:
        """Build name of the layer."""
        return self.layer.layer_name


@dataclass(frozen=True, slots=True)
class PlatformPush:
    """What becomes of a release on one platform.

    Attributes:
        state: Whether it is new, there already, or replaces a partial one that no client has seen.
        deltas: Deltas that are made or checked.
    """

    state: PushState
    deltas: tuple[PlannedDelta, ...]
    release: Release  # without those

    @property
    def platform(self) -> str:
        """Target name."""
        return self.release.platform


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push will do.

    Attributes:
        store: Its address.
        version: Version of the release.
        partial: Whether clients do not see it yet.
        platforms: What was published, one for each platform.
        others: Further platforms of the release, which were pushed before.
        channels: Name of a channel that will lead to the release -> version that it leads to now, or empty.
        uploads: What the store lacks; deltas that will be made come on top.
        present: Bytes that it has already.
    """

    store: str
    version: str
    partial: bool
    platforms: tuple[PlatformPush, ...]
    others: tuple[str, ...]
    channels: Mapping[str, str]
    uploads: tuple[Upload, ...]
    present: int
    unclaimed: frozenset[str]  # hashes of blobs that are there, though no release needs them that was read
    paths: Mapping[str, Path]  # hash of a blob of the publication -> the file
    catalog: Catalog  # what the store has now

    @property
    def bytes(self) -> int:
        """Bytes to upload, without the deltas that will be made."""
        return sum(upload.size for upload in self.uploads)

    @property
    def deltas(self) -> tuple[PlannedDelta, ...]:
        """All deltas that will be made or checked."""
        return tuple(delta for platform in self.platforms for delta in platform.deltas)

    @property
    def finishes(self) -> bool:
        """Whether clients will see platforms that were pushed before."""
        return not self.partial and any(not entry.complete for entry in self.catalog.of(self.version))

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        new = any(platform.state is not PushState.UNCHANGED for platform in self.platforms)
        return new or self.finishes or bool(self.channels or self.uploads)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as values for JSON."""
        return {
            "store": self.store,
            "release": self.version,
            "partial": self.partial,
            "finishes": self.finishes,
            "changes": self.changes,
            "channels": dict(self.channels),
            "platforms": [
                {
                    "platform": platform.platform,
                    "state": platform.state.value,
                    "layers": [layer.layer_name for layer in platform.release.layers],
                }
                for platform in self.platforms
            ],
            "other_platforms": list(self.others),
            "upload_size": self.bytes,
            "present_size": self.present,
            "uploads": [
                {
                    "layer_name": each.layer,
                    "platform": each.platform,
                    "what": each.what,
                    "sha256": each.blob.sha256,
                    "size": each.size,
                    "path": str(each.path),
                }
                for each in self.uploads
            ],
            "deltas": [
                {
                    "layer_name": each.layer_name,
                    "platform": each.platform,
                    "from_release": each.version,
                    "from_content_hash": each.base.content_hash,
                    "made": each.made is not None,
                }
                for each in self.deltas
            ],
        }


@dataclass(frozen=True, slots=True)
class StoreState:
    """What was read of a store before a push.

    Attributes:
        address: Of the store.
        catalog: Its signed catalog.
        same: The releases of the catalog that the push may repeat, by version and platform.
        bases: Target name -> earlier releases that deltas may lead from, the most important first.
        missing: Hashes of the blobs of the publication that it does not have.
        claimed: Hashes of the blobs that the releases need which were read.
    """

    address: str
    catalog: Catalog
    same: Mapping[tuple[str, str], Release]
    bases: Mapping[str, Sequence[Release]]
    missing: frozenset[str]
    claimed: frozenset[str] = frozenset()


def plan_push(
    published: Sequence[Release], paths: Mapping[str, Path], request: PushRequest, state: StoreState
) -> PushPlan:
    """Decide what a push does; nothing is read or written.

    Args:
        published: What was published, one for each platform; none to finish a partial release.
        paths: Hash of a blob of it -> the file.
        request: What is asked for.
        state: What was read of the store.

    Raises:
        UsageError: It is not clear which release is meant.
        ReleaseError: The release exists with other content.
    """
    version = request.release or _version_of(published, state)
    pushes = tuple(_plan_platform(release, version, paths, request, state) for release in published)
    there = [entry.platform for entry in state.catalog.of(version)]
    others = tuple(sorted(set(there) - {push.platform for push in pushes}))
    if not pushes and not others:
        raise ReleaseError(
            f"The store has no release {version}, so that there is nothing to finish.",
            hint="run `venvstacks publish` first, or name its output folder with --output-dir",
        )
    channels = {name: state.catalog.channels.get(name, "") for name in request.channels}
    wanted = list(_wanted(pushes, paths))
    return PushPlan(
        store=state.address,
        version=version,
        partial=request.partial,
        platforms=pushes,
        others=others,
        channels={
            name: before
            for name, before in channels.items()
            if before != version or any(push.state is not PushState.UNCHANGED for push in pushes)
        },
        uploads=tuple(upload for upload in wanted if upload.blob.sha256 in state.missing),
        present=sum(upload.blob.size for upload in wanted if upload.blob.sha256 not in state.missing),
        unclaimed=frozenset(upload.blob.sha256 for upload in wanted) - state.missing - state.claimed,
        paths=paths,
        catalog=state.catalog,
    )


def _version_of(published: Sequence[Release], state: StoreState) -> str:
    """Find the version under which all that was published is in the store already."""
    content = {_content(release) for release in published}
    for version in reversed(state.catalog.versions):
        found = {_content(release) for (name, _), release in state.same.items() if name == version}
        if content and content <= found:
            return version
    newest = state.catalog.versions[-1:]
    raise UsageError(
        "The release has no name, and the store has none with this content.",
        hint=f"name it, for example --release 1.0.0{f' (the newest one is {newest[0]})' if newest else ''}",
    )


def _content(release: Release) -> Release:
    return structs.replace(without_deltas(release), version="")


def _plan_platform(
    published: Release, version: str, paths: Mapping[str, Path], request: PushRequest, state: StoreState
) -> PlatformPush:
    release = structs.replace(without_deltas(published), version=version)
    entry = next((e for e in state.catalog.of(version) if e.platform == published.platform), None)
    found = None if entry is None else state.same.get((version, published.platform))
    if found is not None and without_deltas(found) == release:
        return PlatformPush(PushState.UNCHANGED, (), found)
    if entry is not None and entry.complete:
        raise other_content(version, release, found)
    kind = PushState.NEW if entry is None else PushState.REPLACED
    bases = state.bases.get(published.platform, ())
    return PlatformPush(kind, tuple(_plan_deltas(published, paths, bases, request.deltas)), release)


def other_content(version: str, release: Release, found: Release | None) -> ReleaseError:
    """Return the error for a release that is in the store with other content."""
    there = {} if found is None else {layer.layer_name: layer for layer in without_deltas(found).layers}
    changed = [layer.layer_name for layer in release.layers if there.get(layer.layer_name) != layer]
    gone = sorted(there.keys() - {layer.layer_name for layer in release.layers})
    names = ", ".join([*changed, *gone][:5]) or "its release file"
    return ReleaseError(
        f"Release {version} for {release.platform} is in the store with other content (differing: {names}), "
        "and releases do not change.",
        hint="push this under another version",
    )


def _plan_deltas(
    published: Release, paths: Mapping[str, Path], bases: Sequence[Release], count: int
) -> Iterator[PlannedDelta]:
    """Choose what deltas lead from: layers of the first bases, and what ``publish`` has made deltas from."""
    for layer in published.layers:
        made = {delta.from_content_hash: paths[delta.sha256] for delta in layer.deltas}
        seen = {layer.content_hash}
        for position, base in enumerate(bases):
            old = next((each for each in base.layers if each.layer_name == layer.layer_name), None)
            if old is None or old.content_hash in seen or (position >= count and old.content_hash not in made):
                continue
            seen.add(old.content_hash)
            bare = structs.replace(layer, deltas=())
            yield PlannedDelta(published.platform, base.version, made.get(old.content_hash), bare, old)


def _wanted(pushes: Sequence[PlatformPush], paths: Mapping[str, Path]) -> Iterator[Upload]:
    """Return what the store must have, each blob once."""
    seen = set()
    for push in pushes:
        for layer, what, reference in references(push.release):
            if reference.sha256 not in seen and reference.sha256 in paths:
                seen.add(reference.sha256)
                blob = Blob(reference.sha256, reference.size)
                yield Upload(layer.layer_name, push.platform, what, paths[reference.sha256], blob)


def with_deltas(release: Release, deltas: Mapping[str, Sequence[DeltaReference]]) -> Release:
    """Return a release with deltas: build name of a layer -> what leads to it."""
    layers = (
        structs.replace(layer, deltas=tuple(sorted(deltas.get(layer.layer_name, ()), key=lambda d: d.size)))
        for layer in release.layers
    )
    return structs.replace(release, layers=tuple(layers))
