"""Which layers have a package, who asked for it, and what it costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from venvstacks.building.checks import Contents, Distribution, read_contents
from venvstacks.building.installed import info_folders, name_of, read_record
from venvstacks.building.layer_build import LayerBuild


@dataclass(frozen=True, slots=True)
class Presence:
    """A package as one layer has it.

    Attributes:
        layer: Build name.
        platform: Name of the target.
        version: The package's version.
        provider: Build name of the layer below that it is used from; empty if the layer installs it itself.
        is_built: Whether the layer and those below it are built; what follows is known only then.
        chain: Requirements that lead to it, the layer's own first; each after the first is one of the package that
            the one before it names. Empty if none does, as for a package that is only there for others.
        size: Bytes of its files; 0 if it is used from a layer below.
    """

    layer: str
    platform: str
    version: str
    provider: str = ""
    is_built: bool = False
    chain: tuple[str, ...] = ()
    size: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the same as data."""
        return {
            "layer": self.layer,
            "platform": self.platform,
            "version": self.version,
            "provider": self.provider or None,
            "chain": list(self.chain) if self.is_built else None,
            "bytes": self.size if self.is_built else None,
        }


def find_presences(builds: Sequence[LayerBuild], package: str) -> tuple[Presence, ...]:
    """Find the layers that have a package, or use it from a layer below."""
    name = canonicalize_name(package)
    by_key = {build.key: build for build in builds}
    found = (_presence(build, [by_key[key] for key in build.keys_below], name) for build in builds)
    return tuple(presence for presence in found if presence is not None)


def _presence(build: LayerBuild, below: Sequence[LayerBuild], name: str) -> Presence | None:
    platform, layer = build.key
    own = next((p for p, _ in build.lock.wheels_on(build.target) if p.name == name), None)
    shared = next((s for s in build.lock.shared if s.name == name and build.target in s.targets), None)
    if own is None and shared is None:
        return None
    version = str(own.version if own else shared.version if shared else "")
    provider = shared.layer if own is None and shared else ""
    if any(each.built is None for each in (build, *below)):
        return Presence(layer, platform, version, provider)
    path = [read_contents(each) for each in (build, *below)]
    size = _size(build, name) if own else 0
    return Presence(layer, platform, version, provider, True, _chain(path, name), size)  # noqa: FBT003


def _size(build: LayerBuild, name: str) -> int:
    site = build.layout.site
    for info in info_folders(build.folder / site):
        if name_of(info) == name:
            record = info / "RECORD"
            sizes = (int(row.size) for row in read_record(record, site) if row.size.isdecimal())
            return sum(sizes) + record.stat().st_size
    return 0


def _chain(path: Sequence[Contents], name: str) -> tuple[str, ...]:
    """Find the shortest way from a layer's own requirements to a package."""
    build = path[0].build
    environment = build.compatibility.marker_environment(build.lock.python)
    visible: dict[str, Distribution] = {}
    for contents in path:
        for each in contents.distributions.values():
            visible.setdefault(each.name, each)
    ways: list[tuple[Requirement, tuple[str, ...]]] = [
        (requirement, ()) for requirement in _applying(build.layer.requirements, environment, ("",))
    ]
    seen: set[tuple[str, frozenset[str]]] = set()
    for requirement, way in ways:  # grows while it is walked through
        target = canonicalize_name(requirement.name)
        further = (*way, str(requirement).partition(";")[0].strip())
        if target == name:
            return further
        state = target, frozenset(requirement.extras)
        if target in visible and state not in seen:
            seen.add(state)
            extras = ("", *sorted(requirement.extras))
            ways += [(each, further) for each in _applying(visible[target].requires, environment, extras)]
    return ()


def _applying(
    requirements: Sequence[Requirement], environment: Mapping[str, str], extras: Sequence[str]
) -> Iterator[Requirement]:
    for requirement in requirements:
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras):
            yield requirement
