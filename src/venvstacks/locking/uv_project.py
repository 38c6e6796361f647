"""The project file that uv resolves for a layer."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.markers import Marker

from venvstacks.definition.stack import Layer, UvSettings
from venvstacks.errors import LockError
from venvstacks.files import write_text
from venvstacks.locking.hashes import RESOLUTION_SETTINGS
from venvstacks.platforms.compatibility import PythonVersion

_NOWHERE = "platform_version == 'none of the targets'"  # uv cannot know: it depends on the machine


def write_project(
    folder: Path,
    layer: Layer,
    python: PythonVersion,
    settings: UvSettings,
    *,
    constraints: Iterable[str],
    assigned: Iterable[str],
    wheel_folders: Sequence[Path] = (),
    no_index: bool,
) -> None:
    """Write the ``pyproject.toml`` from which uv resolves a layer.

    The packages of ``assigned`` are named, so that uv takes them from their own indexes, and needed nowhere.
    """
    import tomlkit  # noqa: PLC0415 - only locking needs it

    table = {name: settings.table[name] for name in RESOLUTION_SETTINGS if name in settings.table}
    links = [_make_absolute(link, settings.folder) for link in table.get("find-links", ())]
    table["find-links"] = [*map(str, wheel_folders), *links]
    table["constraint-dependencies"] = [*table.get("constraint-dependencies", ()), *constraints]
    table["environments"] = [
        f"{target.marker} and python_full_version == '{python.release}'"
        f" and implementation_name == '{python.implementation}'"
        for target in layer.targets
    ]
    if no_index:
        for name in ("index", "sources", "index-url", "extra-index-url"):
            table.pop(name, None)
    else:
        if "index-url" in table:
            table["index-url"] = _make_absolute(table["index-url"], settings.folder)
        if "extra-index-url" in table:
            table["extra-index-url"] = [_make_absolute(url, settings.folder) for url in table["extra-index-url"]]
        table["index"] = list(_order_indexes(layer, settings))
        pinned_indexes = {name: {"index": index} for name, index in (layer.package_indexes or {}).items()}
        table["sources"] = {**table.get("sources", {}), **pinned_indexes}
    project = {
        "name": name_project(layer),
        "version": "0",
        "requires-python": f"=={python.minor}.*",
        "dependencies": [*map(str, layer.requirements), *(f"{name} ; {_NOWHERE}" for name in assigned)],
    }
    write_text(folder / "pyproject.toml", tomlkit.dumps({"project": project, "tool": {"uv": table}}))


def name_project(layer: Layer) -> str:
    """Return the name under which the layer appears in uv's explanations."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", layer.build_name).strip("._-")
    return f"layer-{plain}" if plain else "layer"


def _make_absolute(address: str, folder: Path) -> str:
    """Make a path in a setting absolute; web addresses stay as they are."""
    scheme = urlsplit(address).scheme
    # a single letter is a Windows drive, not a scheme
    return address if len(scheme) > 1 else str(folder / Path(address).expanduser())


def _order_indexes(layer: Layer, settings: UvSettings) -> Iterator[Mapping[str, Any]]:
    """Order the indexes for a layer: its priority indexes first, and not explicit."""
    indexes: list[dict[str, Any]] = [
        {**index, "url": _make_absolute(index["url"], settings.folder)}
        for index in settings.table.get("index", ())
    ]
    by_name = {index["name"]: index for index in indexes if "name" in index}
    for name in layer.priority_indexes:
        # uv asks its default index last, so a preferred one must not be it; the copy below keeps its place
        yield _leave_out(by_name[name], "explicit", "default")
    for index in indexes:
        if index.get("name") not in layer.priority_indexes:
            yield index
        elif index.get("default"):
            yield _leave_out(index, "name", "explicit")


def _leave_out(table: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in keys}


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
