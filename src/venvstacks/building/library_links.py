"""Have a layer's files find the shared libraries they need, in the layer and in those below."""

import os
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from venvstacks.binaries.elf_search import copy_with_search
from venvstacks.building.build_plan import Key, LayerBuild
from venvstacks.building.layer_layout import CONFIGURATION
from venvstacks.building.macos_launcher import launcher
from venvstacks.building.records import (
    from_site,
    info_folders,
    read_record,
    replace_file,
    row_of_file,
    write_record,
)
from venvstacks.definition.stack import LayerKind
from venvstacks.errors import BinaryFormatError, BuildError
from venvstacks.files import canonical_json, json_hash, temporary_beside
from venvstacks.findings import Finding
from venvstacks.libraries.linkage import DYNLIB, LibraryLayer, Linking, Natives
from venvstacks.libraries.linking import link

_TOKEN = re.compile(r"\$(\{|ORIGIN|LIB|PLATFORM)")


def library_layer(build: LayerBuild, natives: Natives) -> LibraryLayer:
    """Gather what decides which libraries a layer offers and finds."""
    names = {lock.install_target: lock.layer for lock in build.below}
    return LibraryLayer(
        build_name=build.layer.build_name,
        title=build.layer.title,
        install_target=build.lock.install_target,
        compatibility=build.compatibility,
        natives=natives,
        exclude=build.layer.dynlib_exclude,
        allow_missing=build.layer.dynlib_allow_missing,
        is_top=build.layer.kind is LayerKind.APPLICATION,
        stand_ins={
            names[target]: {names[other] for other in absence["replaced_by"]}
            for target, absence in build.configuration.get("optional_layers", {}).items()
        },
    )


def plan_linking(build: LayerBuild, below: Sequence[LayerBuild], natives: Mapping[Key, Natives]) -> Linking:
    """Decide how a layer's files find what they need."""
    layers = [library_layer(each, natives[each.key]) for each in (build, *below)]
    return link(layers[0], layers[1:])


def linking_hash(linking: Linking) -> str:
    """Hash what becomes of a decision: what is written into the layer, and what is missing."""
    return json_hash(
        {
            "links": linking.links,
            "additions": linking.additions,
            "dyld": linking.dyld,
            "dll_folders": linking.dll_folders,
            "missing": [[use.file, use.needed] for use in linking.missing],
        }
    )


def apply_linking(build: LayerBuild, linking: Linking, staging: Path) -> tuple[Finding, ...]:
    """Carry a decision out in an unfinished layer."""
    findings: tuple[Finding, ...] = ()
    if linking.links:
        _make_links(build, linking.links, staging)
    if linking.additions:
        _check_names(build, [lock.install_target for lock in build.below])
        findings = tuple(_add_searches(build, linking, staging))
        _update_records(build, linking.additions, staging)
    if build.layer.kind is LayerKind.RUNTIME:
        return findings
    if linking.dll_folders:
        configuration = {**build.configuration, "dynlib_dirs": [f for f in linking.dll_folders if f[:2] == ".."]}
        replace_file(staging / CONFIGURATION, canonical_json(configuration).encode())
    if linking.dyld:
        _make_launchers(build, linking.dyld, staging)
    return findings


def _make_links(build: LayerBuild, links: Mapping[str, str], staging: Path) -> None:
    folder = staging / DYNLIB
    if os.path.lexists(folder):
        raise BuildError(
            f"A package of {build.layer.title} brings {DYNLIB}, whose place is the layer's own.",
            hint="take the package out of the layer's requirements",
        )
    folder.mkdir(parents=True)
    for name, path in links.items():
        (folder / name).symlink_to(posixpath.relpath(path, DYNLIB))


def _add_searches(build: LayerBuild, linking: Linking, staging: Path) -> Iterator[Finding]:
    """Let files look in further folders; they are replaced, as they may be shared with uv's cache."""
    owners = {use.file: use.owner for use in linking.uses}
    for path, entries in (linking.additions or {}).items():
        file = staging / path
        copy = temporary_beside(file)
        try:
            copy_with_search(file, copy, entries)
        except BinaryFormatError as error:
            copy.unlink(missing_ok=True)
            yield Finding(
                build.layer.build_name,
                build.target.name,
                owners[path],
                f"needs shared libraries from elsewhere for {path}, but that file cannot be told where they are "
                f"({error.reason})",
                "if it is not used, leave it out of this with dynlib_exclude",
            )
        else:
            copy.replace(file)


def _update_records(build: LayerBuild, changed: Collection[str], staging: Path) -> None:
    site = build.layout.site
    for info in info_folders(staging / site):
        rows = read_record(info / "RECORD")
        places = [from_site(row.path, site) for row in rows]
        if not any(place in changed for place in places):
            continue
        updated = [
            row_of_file(row.path, staging / place) if place in changed else row
            for row, place in zip(rows, places, strict=True)
        ]
        write_record(info / "RECORD", updated)


def _check_names(build: LayerBuild, below: Sequence[str]) -> None:
    """Refuse names of layers that loaders would not take literally."""
    for name in below:
        if _TOKEN.search(name):
            raise BuildError(
                f"{build.headline} needs shared libraries of other layers, but the '$' in the name of {name!r} "
                "would mean something to the loader.",
                hint="rename that layer",
            )


def _make_launchers(build: LayerBuild, install_targets: Sequence[str], staging: Path) -> None:
    """Put launchers in the place of the links to the runtime's interpreter."""
    text = launcher(build, install_targets)
    for path in (staging / build.layout.scripts).iterdir():
        if path.is_symlink() and path.name.startswith("python"):
            replace_file(path, text.encode(), executable=True)
