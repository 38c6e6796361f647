"""Packages of which several layers have a part: ``nvidia``, ``PySide6``, ``tencentcloud``.

In one site-packages folder the parts of several distributions lie in one folder. On a path, the first
``__init__.py`` that is found hides the other parts. Where it makes no difference which one runs, since they are
equal or empty, the layer's activation lets Python look for modules of the package in all parts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from venvstacks.building.assemble import activation
from venvstacks.building.build_plan import payload
from venvstacks.building.build_state import Part
from venvstacks.building.installed import Installed, replace_file
from venvstacks.building.layer_build import LayerBuild, state_or_empty
from venvstacks.building.layer_layout import ACTIVATION, PACKAGE_HOOK
from venvstacks.entries import Entry, EntryKind
from venvstacks.file_names import parents
from venvstacks.files import sha256

_INIT = "__init__.py"


Clash = tuple[str, int, int]
"""A package of which one part hides another: its name, the places on the path of the former and of the latter."""


def parts_of(build: LayerBuild, installed: Installed, entries: Sequence[Entry], folder: Path) -> dict[str, Part]:
    """Describe the packages of a layer that may have other parts elsewhere.

    These are all at the top, and those in packages that have no ``__init__.py`` of their own, or an empty one.
    """
    site = build.layout.site
    files = {entry.path for entry in entries if entry.type is EntryKind.FILE}
    inits: dict[str, str | None] = {}
    for entry in entries:  # folders come before what they hold
        if entry.type is not EntryKind.FOLDER or not entry.path.startswith(f"{site}/"):
            continue
        path = entry.path[len(site) + 1 :]
        parent, _, name = path.rpartition("/")
        if name.isidentifier() and (not parent or not inits.get(parent, "closed")):
            init = f"{entry.path}/{_INIT}"
            inits[path] = _digest(folder / init) if init in files else None
    owners: dict[str, set[str]] = {path: set() for path in inits}
    for each in installed:
        for path in (row.path[len(site) + 1 :] for row in each.rows if row.path.startswith(f"{site}/")):
            for parent in parents(path):
                if parent not in owners:
                    break
                owners[parent].add(each.name)
    return {
        path.replace("/", "."): Part(init, tuple(sorted(owners[path])))
        for path, init in inits.items()
        if owners[path]  # an application's own modules are no part of others' packages
    }


def _digest(path: Path) -> str | None:
    content = path.read_bytes()
    if b"extend_path" in content or b"declare_namespace" in content:
        return None
    lines = (line.strip() for line in content.splitlines())
    return sha256(content) if any(line and not line.startswith(b"#") for line in lines) else ""


def plan_joining(build: LayerBuild, below: Sequence[LayerBuild]) -> tuple[dict[str, tuple[str, ...]], list[Clash]]:
    """Decide which packages are found in several layers, and find those of which that is not possible.

    The former lead to folders, relative to the layer: that of the ``__init__.py`` that runs, then all that the
    package is found in, in path order.
    """
    parts = [state_or_empty(each).parts for each in (build, *below)]
    sites = [build.layout.site, *(f"../{each.lock.install_target}/{each.layout.site}" for each in below)]
    packages: dict[str, tuple[str, ...]] = {}
    clashes: list[Clash] = []
    visible: set[str] = set()  # packages whose parts are all looked into
    for name in sorted(set[str]().union(*parts)):
        parent, _, _ = name.rpartition(".")
        having = {place: each[name] for place, each in enumerate(parts) if name in each}
        if (parent and parent not in visible) or len(having) < 2:  # noqa: PLR2004 - a part alone
            continue
        if all(part.init is None for part in having.values()):
            visible.add(name)
            continue
        places, hidden = _join_parts(having)
        clashes += [(name, places[0], lower) for lower in hidden]
        if len(places) > 1:
            visible.add(name)
            order = (_choose_running(places, having), *places)
            packages[name] = tuple(f"{sites[place]}/{name.replace('.', '/')}" for place in order)
    return packages, clashes


def _join_parts(having: Mapping[int, Part]) -> tuple[list[int], list[int]]:
    """Return the places of parts that go together, and of those that contradict them.

    A part whose distributions all have files in the parts before it is an older or newer one of the same: hidden
    as it should be.
    """
    places, hidden = [], []
    init, known = "", set[str]()
    for place, part in having.items():
        is_new = not known.issuperset(part.owners)
        if is_new and part.init and init and part.init != init:
            hidden.append(place)
            continue
        if is_new:
            places.append(place)
            init = init or part.init or ""
        known.update(part.owners)
    return places, hidden


def _choose_running(places: Sequence[int], parts: Mapping[int, Part]) -> int:
    """Choose the part whose ``__init__.py`` runs: one that does something, or one at all, the lowest of these.

    What others require is below them, and finds its data beside itself.
    """
    return max(places, key=lambda place: (bool(parts[place].init), parts[place].init is not None, place))


def apply_joining(
    build: LayerBuild, packages: Mapping[str, Sequence[str]], dll_folders: Sequence[str], staging: Path
) -> None:
    """Write into an unfinished layer's activation in which folders it finds packages and libraries."""
    if not build.below or not (packages or dll_folders):
        return
    site = staging / build.layout.site
    replace_file(site / f"{ACTIVATION}.py", activation(build, dll_folders, packages).encode())
    if packages:
        replace_file(site / f"{PACKAGE_HOOK}.py", payload("packages.py").encode())
