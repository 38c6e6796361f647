"""What deploying a release does: which layers it fetches, in which way, and which generation it makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from venvstacks.deploying.deployment_format import Deployment, Generation
from venvstacks.deploying.places import Home
from venvstacks.releases.release_format import Release, ReleaseLayer

if TYPE_CHECKING:  # a deployment in which nothing is new has to be quick
    from venvstacks.deploying.fetch_plan import FetchPlan, Way


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """What deploying a release does.

    Attributes:
        home: Where it is deployed.
        deployment: What is remembered of it.
        release: The release.
        applications: Name -> layer, of those that are wanted.
        layers: All layers that they need, each after those below it.
        fetch: How the layers get to their places; None if the current generation is what it should be.
        current: The generation that is current now.
        asked: How many requests found all this out, those for indexes aside.
        received: How many bytes these answered.
    """

    home: Home
    deployment: Deployment
    release: Release
    applications: Mapping[str, ReleaseLayer]
    layers: tuple[ReleaseLayer, ...]
    fetch: "FetchPlan | None"
    current: Generation | None
    asked: int
    received: int

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.fetch is not None

    @property
    def requests(self) -> int:
        """Requests to the store, all in all."""
        return self.asked + (self.fetch.requests if self.fetch else 0)

    @property
    def bytes(self) -> int:
        """Bytes that are fetched from the store, all in all."""
        return self.received + (self.fetch.bytes if self.fetch else 0)

    def describe(self) -> "DeploymentPlan":
        """Return the plan for people and other programs."""
        return DeploymentPlan(
            folder=self.home.folder,
            store=self.deployment.store,
            channel=self.deployment.channel,
            release=self.release.version,
            platform=self.release.platform,
            applications=tuple(sorted(self.applications)),
            current_release=self.current.release if self.current else "",
            current_generation=self.current.number if self.current else 0,
            changes=self.changes,
            layers=tuple(map(self._describe, self.layers)),
            bytes=self.bytes,
            requests=self.requests,
            disk=self.fetch.disk if self.fetch else 0,
        )

    def _describe(self, layer: ReleaseLayer) -> "PlannedFetch":
        from venvstacks.deploying.fetch_plan import Way  # noqa: PLC0415 - see above

        planned = next((each for each in self.fetch.layers if each.layer == layer), None) if self.fetch else None
        return PlannedFetch(
            layer=layer.layer_name,
            path=self.home.place(layer).path,
            content_hash=layer.content_hash,
            way=planned.way if planned else Way.KEEP,
            bytes=planned.bytes if planned else 0,
            requests=planned.requests if planned else 0,
        )


@dataclass(frozen=True, slots=True)
class PlannedFetch:
    """How a layer gets to its place.

    Attributes:
        layer: Build name.
        path: Its place.
        content_hash: Of everything in it.
        way: The way.
        bytes: What is fetched for it, its index included.
        requests: With how many requests.
    """

    layer: str
    path: Path
    content_hash: str
    way: "Way"
    bytes: int
    requests: int


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What deploying would do.

    Attributes:
        folder: The product's folder.
        store: Address of the store.
        channel: The channel that is followed; empty if a release is named.
        release: Version of the release.
        platform: Target name.
        applications: Their names, sorted.
        current_release: Version of the release that is current now; empty if none is.
        current_generation: Number of the generation that is current now; 0 if none is.
        changes: Whether there is anything to do.
        layers: All layers of these applications, each after those below it.
        bytes: What is fetched from the store, metadata included.
        requests: With how many requests.
        disk: Bytes that are needed on the disk.
    """

    folder: Path
    store: str
    channel: str
    release: str
    platform: str
    applications: tuple[str, ...]
    current_release: str
    current_generation: int
    changes: bool
    layers: tuple[PlannedFetch, ...]
    bytes: int
    requests: int
    disk: int

    def as_json(self) -> dict[str, Any]:
        """Return the plan as data."""
        layers = [
            {
                "layer_name": each.layer,
                "path": str(each.path),
                "content_hash": each.content_hash,
                "way": each.way,
                "bytes": each.bytes,
                "requests": each.requests,
            }
            for each in self.layers
        ]
        return {
            "folder": str(self.folder),
            "store": self.store,
            "channel": self.channel,
            "release": self.release,
            "platform": self.platform,
            "applications": list(self.applications),
            "current_release": self.current_release,
            "current_generation": self.current_generation,
            "changes": self.changes,
            "layers": layers,
            "bytes": self.bytes,
            "requests": self.requests,
            "disk": self.disk,
        }
