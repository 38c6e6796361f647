"""What the earlier lock of a layer means for its new one: pins, local wheels, and unexpected versions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.pylock import Package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.errors import InvalidLockError, LockError, ResolutionError
from venvstacks.humanize import some_of
from venvstacks.locking.layer_lock import LockedPackage
from venvstacks.locking.missing import Search, find_packages_without_wheels
from venvstacks.locking.pylock import parse_pylock


def read_earlier(text: str) -> Sequence[Package]:
    """Read the packages of an earlier lock; none if it is damaged.

    uv takes the locks of venvstacks 0.8 as they are, but for those without packages.
    """
    try:
        return parse_pylock(text, "the earlier lock").packages
    except InvalidLockError:
        return ()


def list_local(earlier: Sequence[Package]) -> dict[str, str]:
    """Return the packages from local folders: name -> POSIX path of a wheel, relative to the lock."""
    return {p.name: wheel.path for p in earlier for wheel in p.wheels or () if wheel.path is not None}


def _list_newest(earlier: Sequence[Package]) -> dict[str, Version]:
    """Return the version of each package; of several, the newest."""
    versions: dict[str, Version] = {}
    for package in earlier:
        if package.version is not None:
            versions[package.name] = max(package.version, versions.get(package.name, package.version))
    return versions


def check_local(layer: Layer, packages: Sequence[LockedPackage], earlier: Sequence[Package]) -> None:
    """Refuse to take from elsewhere what came from a local folder: its option was forgotten."""
    local, versions = list_local(earlier), _list_newest(earlier)
    for package in packages:
        path = local.get(package.name)
        if path is not None and all(wheel.path is None for wheel in package.wheels.values()):
            raise LockError(
                f"Cannot lock {layer.title}: its lock takes {package.name} {versions.get(package.name)} from a "
                f"local folder ({path}, relative to the lock file), but this run would take {package.version} "
                "from an index.",
                hint="name the folder with --local-wheels DIR, as before; or give that up with "
                f"--reset-lock '{layer.build_name}'",
            )


def warn_of_versions(
    layer: Layer, packages: Sequence[LockedPackage], earlier: Sequence[Package], search: Search
) -> Iterator[str]:
    """Describe what is unexpected about the versions that a layer is going to install, in one sentence a kind."""
    versions = _list_newest(earlier)
    kinds = {
        f"Platforms of {layer.title} get different versions of packages": _find_different(packages),
        f"The lock of {layer.title} goes back": _find_gone_back(layer, packages, versions),
        f"{layer.title[:1].upper()}{layer.title[1:]} is locked with older versions": _find_older(
            layer, packages, versions, search
        ),
    }
    for start, found in kinds.items():
        if text := "; ".join(found):
            yield f"{start}: {text}."


def _find_different(packages: Sequence[LockedPackage]) -> Iterator[str]:
    """Find packages that targets get in different versions, as older ones have wheels for all of them."""
    versions: dict[str, list[LockedPackage]] = {}
    for package in packages:
        versions.setdefault(package.name, []).append(package)
    for found in versions.values():
        if len(found) > 1:
            on = [
                f"{each.name} {each.version} on {some_of(t.name for t in sorted(each.wheels))}" for each in found
            ]
            yield ", ".join(on)


def _find_older(
    layer: Layer, packages: Sequence[LockedPackage], earlier: Mapping[str, Version], search: Search
) -> Iterator[str]:
    """Find declared packages of which a newer release was passed over, since it or what it needs has no wheel.

    What an earlier lock pins is kept, and not looked at again. Nothing is built or executed to find out.
    """
    locked = {each.name: each for each in packages if earlier.get(each.name) != each.version}
    declared = [
        each
        for each in layer.requirements
        if canonicalize_name(each.name) in locked and not each.url and not _is_exact(each)
    ]
    if not declared:
        return
    try:
        offers = search.newest_of(replace(layer, requirements=tuple(declared)))
    except LockError:  # then there is nothing to compare with
        return
    for requirement in declared:
        package = locked[canonicalize_name(requirement.name)]
        offered = [
            each for limits, each in offers if each.name == package.name and limits.target in package.wheels
        ]
        newest = min((each.version for each in offered if each.version is not None), default=package.version)
        if newest > package.version and (lacking := _find_lacking(layer, requirement, newest, search)):
            verb = "has" if len(lacking) == 1 else "have"
            yield f"{package.name} {package.version}, and not {newest}, as {some_of(lacking)} {verb} no wheel"


def _is_exact(requirement: Requirement) -> bool:
    return any(each.operator in {"==", "==="} and "*" not in each.version for each in requirement.specifier)


def _find_lacking(layer: Layer, requirement: Requirement, version: Version, search: Search) -> list[str]:
    """Name what has no wheel among the things that a version needs; nothing if that is not what is in its way."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    wish = Requirement(f"{requirement.name}{extras}=={version}")
    wish.marker = requirement.marker
    try:
        gaps = search.gaps_of(replace(layer, requirements=(wish,)))
    except ResolutionError as error:
        return list(find_packages_without_wheels(error.message))
    except LockError:
        return []
    return sorted({gap.package for gap in gaps})


def _find_gone_back(
    layer: Layer, packages: Sequence[LockedPackage], earlier: Mapping[str, Version]
) -> Iterator[str]:
    """Find packages that an earlier lock had in a newer version; each as a part of a sentence.

    If the layer's requirements exclude such a version, someone has changed them and wants an older one.
    """
    if any(
        name in earlier and not each.specifier.contains(earlier[name], prereleases=True)
        for each in layer.requirements
        if (name := canonicalize_name(each.name))
    ):
        return
    for package in packages:
        before = earlier.get(package.name)
        newest = max(each.version for each in packages if each.name == package.name)
        if before is not None and newest < before and package.version == newest:
            yield f"{package.name} from {before} to {package.version}"
