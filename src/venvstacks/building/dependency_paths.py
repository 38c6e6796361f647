"""Dependency paths: which layers have a package, which requirements lead to it, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import canonicalize_name

from venvstacks.building.checks import Contents, applies, read_contents, visible_distributions
from venvstacks.building.installed import info_folders, name_of, read_record
from venvstacks.building.layer_build import LayerBuild, built_state


@dataclass(frozen=True, slots=True)
class DependencyPath:
    """The way from a layer's requirements to a package that the layer has, or uses from a layer below.

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


def find_dependency_paths(builds: Sequence[LayerBuild], package: str) -> tuple[DependencyPath, ...]:
    """Find the shortest dependency path to a package in each layer that has it, or uses it from a layer below."""
    name = canonicalize_name(package)
    providers = {build.key: found for build in builds if (found := _find_provider(build, name))}
    having = [build for build in builds if build.key in providers]
    read = {key for build in having for key in (build.key, *build.keys_below)}
    contents = {b.key: read_contents(b) for b in builds if b.key in read and built_state(b) is not None}
    paths = []
    for build in having:
        platform, layer = build.key
        shortest = DependencyPath(layer, platform, *providers[build.key])
        path = [contents[key] for key in (build.key, *build.keys_below) if key in contents]
        if len(path) > len(build.keys_below):  # all of them are built
            size = 0 if shortest.provider else _size(build, name)
            shortest = replace(shortest, is_built=True, chain=_find_chain(path, name), size=size)
        paths.append(shortest)
    return tuple(paths)


def _find_provider(build: LayerBuild, name: str) -> tuple[str, str] | None:
    """Return the version of a package and the layer below that it is used from; None if the layer has none."""
    for package, _ in build.lock.wheels_on(build.target):
        if package.name == name:
            return str(package.version), ""
    for shared in build.lock.shared:
        if shared.name == name and build.target in shared.targets:
            return str(shared.version), shared.layer
    return None


def _size(build: LayerBuild, name: str) -> int:
    site = build.layout.site
    for info in info_folders(build.folder / site):
        if name_of(info) == name:
            record = info / "RECORD"
            sizes = (int(row.size) for row in read_record(record, site) if row.size.isdecimal())
            return sum(sizes) + record.stat().st_size
    return 0


def _find_chain(path: Sequence[Contents], name: str) -> tuple[str, ...]:
    """Find the shortest way from a layer's own requirements to a package."""
    build = path[0].build
    environment = build.compatibility.marker_environment(build.lock.python)
    visible = visible_distributions(path)
    ways = [(each, tuple[str, ...]()) for each in build.layer.requirements if applies(each, environment)]
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
            requires = visible[target].requires
            ways += [(each, further) for each in requires if any(applies(each, environment, e) for e in extras)]
    return ()
