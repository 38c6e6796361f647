"""The project file that uv resolves for a layer."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer, UvSettings
from venvstacks.errors import LockError
from venvstacks.files import write_text
from venvstacks.locking.hashes import RESOLUTION_SETTINGS
from venvstacks.locking.layer_lock import LayerLock
from venvstacks.platforms.compatibility import PythonVersion, marker_of
from venvstacks.platforms.targets import Target

Provided = Mapping[Target, tuple[Version, str]]
"""Target -> version of a package and build name of the layer that provides it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOWHERE = "platform_version == 'none of the targets'"  # uv cannot tell: it depends on the machine


def write_project(
    folder: Path,
    layer: Layer,
    python: PythonVersion,
    settings: UvSettings,
    *,
    pins: Sequence[str],
    assigned: Iterable[str],
    find_links: Sequence[Path] = (),
    no_index: bool,
) -> None:
    """Write the ``pyproject.toml`` from which uv resolves a layer."""
    import tomlkit  # noqa: PLC0415 - only locking needs it

    table = {name: settings.table[name] for name in RESOLUTION_SETTINGS if name in settings.table}
    links = [_located(link, settings.folder) for link in table.get("find-links", ())]
    table["find-links"] = [*map(str, find_links), *links]
    table["constraint-dependencies"] = [*table.get("constraint-dependencies", ()), *pins]
    table["environments"] = [
        f"{target.marker} and python_full_version == '{python.release}'"
        f" and implementation_name == '{python.implementation}'"
        for target in layer.targets
    ]
    if no_index:
        for name in ("index", "sources", "index-url", "extra-index-url"):
            table.pop(name, None)
    else:
        _locate_indexes(table, settings.folder)
        table["index"] = [dict(index) for index in _indexes(layer, settings)]
        pinned_indexes = {name: {"index": index} for name, index in (layer.package_indexes or {}).items()}
        table["sources"] = {**table.get("sources", {}), **pinned_indexes}
    project = {
        "name": project_name(layer),
        "version": "0",
        "requires-python": f"=={python.minor}.*",
        "dependencies": [*map(str, layer.requirements), *(f"{name} ; {_NOWHERE}" for name in assigned)],
    }
    write_text(folder / "pyproject.toml", tomlkit.dumps({"project": project, "tool": {"uv": table}}))


def check_environments(layer: Layer, python: PythonVersion, settings: UvSettings) -> None:
    """Check that ``environments`` of the settings, which narrow what is resolved for, leave no target out."""
    narrowed = settings.table.get("environments", ())
    markers = [Marker(text) for text in ([narrowed] if isinstance(narrowed, str) else narrowed)]
    left_out = [
        limits.target.name
        for limits in (layer.compatibilities if markers else ())
        if not any(marker.evaluate(limits.marker_environment(python)) for marker in markers)
    ]
    if left_out:
        kept = ", ".join(f'"{target.name}"' for target in layer.targets if target.name not in left_out)
        raise LockError(
            f"Cannot lock {layer.title}: `environments` in [tool.uv] leaves out {', '.join(left_out)}.",
            hint=f"set `platforms = [{kept}]` on {layer.title}, or widen `environments`",
        )


def project_name(layer: Layer) -> str:
    """Return the name under which the layer appears in uv's explanations."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", layer.build_name).strip("._-")
    return f"layer-{plain}" if plain else "layer"


def _located(address: str, folder: Path) -> str:
    """Make a path in a setting absolute; web addresses stay as they are."""
    scheme = urlsplit(address).scheme
    # a single letter is a Windows drive, not a scheme
    return address if len(scheme) > 1 else str(folder / Path(address).expanduser())


def _locate_indexes(table: dict[str, Any], folder: Path) -> None:
    """Make the paths in the older index settings absolute."""
    if "index-url" in table:
        table["index-url"] = _located(table["index-url"], folder)
    if "extra-index-url" in table:
        table["extra-index-url"] = [_located(address, folder) for address in table["extra-index-url"]]


def _indexes(layer: Layer, settings: UvSettings) -> list[Mapping[str, Any]]:
    """Order the indexes for a layer: its priority indexes first, and not explicit."""
    indexes: list[dict[str, Any]] = [
        {**index, "url": _located(index["url"], settings.folder)} for index in settings.table.get("index", ())
    ]
    by_name = {index["name"]: index for index in indexes if "name" in index}
    first: list[dict[str, Any]] = []
    for name in layer.priority_indexes:
        index = dict(by_name[name])
        index.pop("explicit", None)
        # uv asks its default index last, so a preferred one must not be it; the copy below keeps its place
        index.pop("default", None)
        first.append(index)
    rest = []
    for index in indexes:
        if index.get("name") not in layer.priority_indexes:
            rest.append(index)
        elif index.get("default"):
            rest.append({key: value for key, value in index.items() if key not in {"name", "explicit"}})
    return [*first, *rest]


def constraints_from_below(layer: Layer, below: Sequence[LayerLock]) -> list[str]:
    """Write what the layers below lock as constraints, restricted to the targets where they hold."""
    lines: dict[str, None] = {}
    for name, provided in provided_below(layer, below).items():
        versions: dict[Version, list[Target]] = {}
        for target, (version, _) in provided.items():
            versions.setdefault(version, []).append(target)
        for version, targets in versions.items():
            marker = marker_of(targets, layer.targets)
            lines[f"{name}=={version}" + (f" ; {marker}" if marker else "")] = None
    return list(lines)


def provided_below(layer: Layer, below: Sequence[LayerLock]) -> dict[str, dict[Target, tuple[Version, str]]]:
    """Describe what the layers below provide on the layer's targets."""
    provided: dict[str, dict[Target, tuple[Version, str]]] = {}
    targets = set(layer.targets)
    for lock in below:
        for package in lock.packages:
            for target in sorted(targets & package.wheels.keys()):
                provided.setdefault(package.name, {}).setdefault(target, (package.version, lock.layer))
    return provided


def direct_names(requirements: Iterable[Requirement]) -> frozenset[str]:
    """Return the normalised names of what is required on every target."""
    return frozenset(canonicalize_name(each.name) for each in requirements if each.marker is None)


def overridden_names(settings: UvSettings) -> frozenset[str]:
    """Return the normalised names of packages whose requirements the settings replace."""
    overrides = settings.table.get("override-dependencies", ())
    found = (_NAME.match(item) for item in overrides)
    return frozenset(canonicalize_name(match[0]) for match in found if match)
