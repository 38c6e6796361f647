"""Resolve a layer's requirements with uv: the project file that uv gets, its run, and what comes of it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from venvstacks.definition.stack import Layer, UvSettings
from venvstacks.definition.uv_settings import is_address
from venvstacks.errors import LockError, ResolutionError
from venvstacks.file_names import expanded
from venvstacks.files import write_text
from venvstacks.locking.hashes import RESOLUTION_SETTINGS
from venvstacks.locking.pylock import Candidates, parse_pylock, read_candidates
from venvstacks.platforms.compatibility import PythonVersion, holds
from venvstacks.session import Session
from venvstacks.uv import compile_lock

_NOWHERE = "platform_version == 'none of the targets'"  # uv cannot know: it depends on the machine


def resolve(
    session: Session,
    layer: Layer,
    python: PythonVersion,
    folder: Path,
    *,
    constraints: Sequence[str],
    earlier: str = "",
) -> Candidates:
    """Resolve, again and again until each package with an index of its own is taken from there.

    Versions are kept from the text of an earlier lock where they still fit.
    """
    assigned: list[str] = []
    while True:
        try:
            candidates = resolve_once(
                session, layer, python, folder, constraints=constraints, assigned=assigned, earlier=earlier
            )
            late = _find_late(session, layer, {package.name for _, package in candidates}, assigned)
            if not late:
                return candidates
        except ResolutionError as error:
            late = _find_late(session, layer, names_in(error.message), assigned)
            if not late:
                raise
        assigned += late


def resolve_once(
    session: Session,
    layer: Layer,
    python: PythonVersion,
    folder: Path,
    *,
    constraints: Sequence[str] = (),
    assigned: Sequence[str] = (),
    earlier: str = "",
    dependencies: bool = True,
    source_distributions: bool = False,
) -> Candidates:
    """Resolve a layer's requirements, or these alone, without what they require in turn.

    Only then can source distributions count as well: their packages have no wheels.
    """
    output = folder / "pylock.toml"
    folder.mkdir(parents=True, exist_ok=True)
    text = format_project(session, layer, python, constraints=constraints, assigned=assigned)
    write_text(folder / "pyproject.toml", text)
    output.unlink(missing_ok=True)
    if earlier:
        write_text(output, earlier)
    compile_lock(
        session.uv,
        folder,
        output,
        python=python,
        no_index=session.options.no_index,
        dependencies=dependencies,
        source_distributions=source_distributions,
        work=session.work,
    )
    lock = parse_pylock(output.read_text(encoding="utf-8"), f"uv's resolution of {layer.title}")
    return read_candidates(lock, layer.compatibilities, python)


def _find_late(session: Session, layer: Layer, names: Collection[str], assigned: Collection[str]) -> list[str]:
    """Find packages with an index of their own that uv has looked for elsewhere."""
    if session.options.no_index:
        return []
    named = (layer.package_indexes or {}).keys() & set(names)
    required = {canonicalize_name(each.name) for each in layer.requirements if each.marker is None}
    return sorted(named - required - set(assigned))


def names_in(message: str) -> frozenset[str]:
    """Return whatever may be the normalised name of a package in uv's words."""
    return frozenset(canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", message))


def format_project(
    session: Session, layer: Layer, python: PythonVersion, *, constraints: Sequence[str], assigned: Sequence[str]
) -> str:
    """Write the ``pyproject.toml`` from which uv resolves a layer.

    The packages of ``assigned`` are named, so that uv takes them from their own indexes, and needed nowhere.
    """
    import tomlkit  # noqa: PLC0415 - only locking needs it

    settings = session.stack.uv
    table = {name: settings.table[name] for name in RESOLUTION_SETTINGS if name in settings.table}
    links = [_make_absolute(link, settings.folder) for link in table.get("find-links", ())]
    table["find-links"] = [*map(str, session.wheel_folders), *links]
    table["constraint-dependencies"] = [*table.get("constraint-dependencies", ()), *constraints]
    table["environments"] = [
        f"{target.marker} and python_full_version == '{python.release}'"
        f" and implementation_name == '{python.implementation}'"
        for target in layer.targets
    ]
    if session.options.no_index:
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
    return tomlkit.dumps({"project": project, "tool": {"uv": table}})


def name_project(layer: Layer) -> str:
    """Return the name under which the layer appears in uv's explanations."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", layer.build_name).strip("._-")
    return f"layer-{plain}" if plain else "layer"


def _make_absolute(address: str, folder: Path) -> str:
    """Make a path in a setting absolute; web addresses stay as they are."""
    return address if is_address(address) else str(folder / expanded(address))


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
        if not any(holds(marker, limits.marker_environment(python)) for marker in markers)
    ]
    if left_out:
        kept = ", ".join(f'"{target.name}"' for target in layer.targets if target.name not in left_out)
        raise LockError(
            f"Cannot lock {layer.title}: `environments` in [tool.uv] leaves out {', '.join(left_out)}.",
            hint=f"set `platforms = [{kept}]` on {layer.title}, or widen `environments`",
        )
