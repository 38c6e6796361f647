"""The native files of a layer: whether they fit its target, and how they find the shared libraries they need.

Nothing of them is executed.
"""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from venvstacks.binaries.elf_search import copy_with_search
from venvstacks.binaries.policy import Found, Owner, binaries_error, find_binaries, judge, violation_findings
from venvstacks.building.installed import Installed, replace_file, update_records
from venvstacks.building.launchers import macos_interpreter
from venvstacks.building.layer_build import LayerBuild, state_or_empty
from venvstacks.building.layer_layout import CONFIGURATION
from venvstacks.definition.stack import LayerKind
from venvstacks.entries import Entry
from venvstacks.errors import BinaryFormatError, BuildError
from venvstacks.files import canonical_json, json_hash, temporary_beside
from venvstacks.findings import Finding
from venvstacks.libraries import linkage
from venvstacks.libraries.linkage import DYNLIB, LibraryLayer, Linking
from venvstacks.libraries.linking import link

_TOKEN = re.compile(r"\$(\{|ORIGIN|LIB|PLATFORM)")

BASE_PYTHON = Owner(linkage.BASE_PYTHON, promises=True, is_base=True)
THE_LAYER = Owner("the layer itself", promises=False)


def read_native(
    build: LayerBuild, installed: Installed, entries: Sequence[Entry], folder: Path
) -> tuple[Found, ...]:
    """Read the native files of a layer."""
    owners = owners_by_path(installed, (wheel.filename for _, wheel in build.wheels))
    other = BASE_PYTHON if build.layer.kind is LayerKind.RUNTIME else THE_LAYER
    return find_binaries(entries, folder, lambda path: owners.get(path, other))


def owners_by_path(installed: Installed, wheels: Iterable[str]) -> dict[str, Owner]:
    """Return to which package files belong, and whether its wheel was made for certain platforms."""
    promises: dict[str, bool] = {}
    for name, _, _, tags in map(parse_wheel_filename, wheels):
        promises[name] = all(tag.platform != "any" for tag in tags)
    owners: dict[str, Owner] = {}
    for each in installed:
        owner = Owner(f"{each.name} {each.version}", promises.get(each.name, False))
        owners |= dict.fromkeys((row.path for row in each.rows), owner)
    return owners


def check_native(build: LayerBuild, found: Sequence[Found]) -> tuple[Finding, ...]:
    """Check the native files of a layer.

    An interpreter of this machine that may serve as the base Python is left alone: it needs this machine's
    libraries, and whoever asks for it knows that.
    """
    is_copied = build.local_runtime not in {"", "never"}
    violations = [
        violation
        for violation in judge(found, build.compatibility)
        if not (is_copied and violation.package == BASE_PYTHON.name)
    ]
    if certain := [violation for violation in violations if violation.is_certain]:
        raise binaries_error(build.headline, build.compatibility, certain)
    return tuple(violation_findings(build.layer.build_name, build.compatibility, violations))


def library_layer(build: LayerBuild) -> LibraryLayer:
    """Gather what decides which libraries a layer, with its state, offers and finds."""
    names = {lock.install_target: lock.layer for lock in build.below}
    return LibraryLayer(
        build_name=build.layer.build_name,
        title=build.layer.title,
        install_target=build.lock.install_target,
        compatibility=build.compatibility,
        natives=state_or_empty(build).natives,
        exclude=build.layer.dynlib_exclude,
        allow_missing=build.layer.dynlib_allow_missing,
        is_top=build.layer.kind is LayerKind.APPLICATION,
        stand_ins={
            names[target]: {names[other] for other in absence["replaced_by"]}
            for target, absence in build.configuration.get("optional_layers", {}).items()
        },
    )


def plan_linking(build: LayerBuild, below: Sequence[LayerBuild]) -> Linking:
    """Decide how a layer's files find what they need."""
    return link(library_layer(build), [library_layer(each) for each in below])


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


def apply_linking(
    build: LayerBuild, linking: Linking, installed: Installed, staging: Path
) -> tuple[Installed, tuple[Finding, ...]]:
    """Carry a decision out in an unfinished layer; return what is installed then, and what could not be done."""
    findings: tuple[Finding, ...] = ()
    if linking.links:
        _make_links(build, linking.links, staging)
    if linking.additions:
        for lock in build.below:
            if _TOKEN.search(lock.install_target):
                raise BuildError(
                    f"{build.headline} needs shared libraries of other layers, but the '$' in the name of "
                    f"{lock.install_target!r} would mean something to the loader.",
                    hint="rename that layer",
                )
        findings = tuple(_add_searches(build, linking, staging))
        written = {path: path for path in linking.additions}
        installed = update_records(staging, build.layout.site, installed, written)
    if build.layer.kind is LayerKind.RUNTIME:
        return installed, findings
    if linking.dll_folders:
        configuration = {**build.configuration, "dynlib_dirs": [f for f in linking.dll_folders if f[:2] == ".."]}
        replace_file(staging / CONFIGURATION, canonical_json(configuration).encode())
    if linking.dyld:
        _replace_interpreters(build, linking.dyld, staging)
    return installed, findings


def _make_links(build: LayerBuild, links: Mapping[str, str], staging: Path) -> None:
    folder = staging / DYNLIB
    if os.path.lexists(folder):
        raise BuildError(
            f"A package of {build.layer.title} brings {DYNLIB}, which is reserved for the layer.",
            hint="remove the package from the layer's requirements",
        )
    folder.mkdir(parents=True)
    for name, path in links.items():
        (folder / name).symlink_to(posixpath.relpath(path, DYNLIB))


def _add_searches(build: LayerBuild, linking: Linking, staging: Path) -> Iterator[Finding]:
    """Let files look in further folders; they are replaced, as they may be shared with uv's cache."""
    owners = {use.file: use.owner for use in linking.uses}
    for path, entries in linking.additions.items():
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


def _replace_interpreters(build: LayerBuild, install_targets: Sequence[str], staging: Path) -> None:
    """Put scripts in the place of the links to the runtime's interpreter."""
    text = macos_interpreter(build.layout, build.lock.install_target, install_targets)
    for path in (staging / build.layout.scripts).iterdir():
        if path.is_symlink() and path.name.startswith("python"):
            replace_file(path, text.encode(), executable=True)
