"""Pylock files (PEP 751): written by venvstacks, read whoever wrote them.

Each package lists exactly the wheel that each target gets, so that every installer makes the same choice.
What layers below provide is recorded under ``[tool.venvstacks]``. Locks of venvstacks 0.8 are brought into this
form when they are read: there such packages stand among the others, without any source, and their marker ends with
``sys_platform == 'from_lower_layer'``; and a lock without packages has no ``packages`` key.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.pylock import Package, PackageWheel, Pylock, PylockValidationError
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.documents import DocumentError, parse_toml
from venvstacks.errors import InvalidLockError
from venvstacks.locking.hashes import DO_NOT_EDIT
from venvstacks.locking.layer_lock import FORMAT, LockedPackage, LockedWheel, SharedPackage
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, best_wheel, marker_of
from venvstacks.platforms.targets import TARGETS, Target

Candidates = Mapping[Target, Mapping[str, tuple[Package, tuple[PackageWheel, ...]]]]
"""Target -> normalised name -> a package and its wheels."""

_LEGACY_SHARED = re.compile(r"(?:\((?P<marker>.*)\) and )?sys_platform == 'from_lower_layer'", re.DOTALL)


def pylock_text(layer: Layer, packages: Sequence[LockedPackage], shared: Sequence[SharedPackage]) -> str:
    """Write a layer's lock."""
    import tomlkit  # noqa: PLC0415 - only writing needs it

    document = tomlkit.document()
    for line in DO_NOT_EDIT.splitlines():
        document.add(tomlkit.comment(line.removeprefix("# ")))
    document["lock-version"] = "1.0"
    document["environments"] = _lines(target.marker for target in layer.targets)  # never none: it has targets
    document["requires-python"] = f"=={'.'.join(layer.python.version.split('.')[:2])}.*"
    document["created-by"] = "venvstacks"
    tables = tomlkit.aot()
    for package in packages:
        tables.append(_package_table(layer, package))
    if not packages:
        document["packages"] = tomlkit.array()
    own = tomlkit.table()
    own["format"] = FORMAT
    if shared:
        own["shared"] = _lines(_shared_table(item) for item in shared)
    if packages:
        document["packages"] = tables
    document["tool"] = tomlkit.table(is_super_table=True).append("venvstacks", own)
    return tomlkit.dumps(document)


def _lines(items: Iterable[Any]) -> Any:  # noqa: ANN401 - tomlkit's own types
    import tomlkit  # noqa: PLC0415 - only writing needs it

    array = tomlkit.array()
    array.extend(items)
    return array.multiline(multiline=True)


def _package_table(layer: Layer, package: LockedPackage) -> Any:  # noqa: ANN401 - tomlkit's own types
    import tomlkit  # noqa: PLC0415 - only writing needs it

    table = tomlkit.table()
    table["name"] = package.name
    table["version"] = str(package.version)
    marker = marker_of(package.wheels, layer.targets)
    if marker is not None:
        table["marker"] = str(marker)
    wheels = {wheel.filename: wheel for wheel in package.wheels.values()}
    table["wheels"] = _lines(_wheel_table(wheels[name]) for name in sorted(wheels))
    return table


def _wheel_table(wheel: LockedWheel) -> Any:  # noqa: ANN401 - tomlkit's own types
    import tomlkit  # noqa: PLC0415 - only writing needs it

    table = tomlkit.inline_table()
    table["name"] = wheel.filename
    if wheel.path is not None:
        table["path"] = wheel.path
    else:
        table["url"] = wheel.url
    if wheel.size is not None:
        table["size"] = wheel.size
    hashes = tomlkit.inline_table()
    hashes["sha256"] = wheel.sha256
    table["hashes"] = hashes
    return table


def _shared_table(shared: SharedPackage) -> Any:  # noqa: ANN401 - tomlkit's own types
    import tomlkit  # noqa: PLC0415 - only writing needs it

    table = tomlkit.inline_table()
    table["name"] = shared.name
    table["version"] = str(shared.version)
    table["layer"] = shared.layer
    table["platforms"] = [target.name for target in shared.targets]
    return table


def parse_pylock(text: str, where: str) -> Pylock:
    """Read a pylock file."""
    try:
        lock = Pylock.from_dict(_without_legacy(parse_toml(text)))
    except DocumentError as error:
        raise _invalid(where, f"it is not valid TOML ({error})") from error
    except PylockValidationError as error:
        raise _invalid(where, f"it is not a valid lock ({error})") from error
    return lock


def _without_legacy(data: dict[str, Any]) -> dict[str, Any]:
    """Bring what venvstacks 0.8 wrote into a form that the standard allows; all else stays as it is."""
    packages = data.setdefault("packages", [])
    own: list[Any] = []
    shared: list[dict[str, Any]] = []
    for package in packages if isinstance(packages, list) else ():
        marker = package.get("marker") if isinstance(package, dict) else None
        match = _LEGACY_SHARED.fullmatch(marker) if isinstance(marker, str) else None
        if match:
            shared.append({**package, "marker": match["marker"]})
        else:
            own.append(package)
    if shared:
        data["packages"] = own
        data["tool"] = {"venvstacks": {"from_lower_layer": shared}}
    return data


def _invalid(where: str, why: str) -> InvalidLockError:
    return InvalidLockError(
        f"{where} cannot be used: {why}.",
        hint="restore the file from version control, or make it anew with `venvstacks lock`",
    )


def locked_packages(lock: Pylock, compatibilities: Iterable[Compatibility], python: PythonVersion) -> Candidates:
    """Describe which packages a lock has on each target."""
    found: dict[Target, dict[str, tuple[Package, tuple[PackageWheel, ...]]]] = {}
    for compatibility in compatibilities:
        environment: Mapping[str, str] = compatibility.marker_environment(python)
        found[compatibility.target] = {
            package.name: (package, tuple(package.wheels or ()))
            for package in lock.packages
            if package.marker is None or package.marker.evaluate(dict(environment), context="lock_file")
        }
    return found


def choose_wheel(
    wheels: Sequence[PackageWheel], compatibility: Compatibility, python: PythonVersion
) -> PackageWheel | None:
    """Choose the wheel that a target gets, or None if none is usable there."""
    by_name = {wheel.filename: wheel for wheel in reversed(wheels)}
    best = best_wheel(by_name, compatibility.tags(python))
    return by_name[best] if best is not None else None


def read_packages(
    lock: Pylock, compatibilities: Sequence[Compatibility], python: PythonVersion, where: str
) -> tuple[LockedPackage, ...]:
    """Read what a layer installs, with the wheel of each target, or without one where none is usable."""
    wheels: dict[tuple[str, Version], dict[Target, LockedWheel]] = {}
    missing: dict[tuple[str, Version], set[Target]] = {}
    on_target = locked_packages(lock, compatibilities, python)
    for compatibility in compatibilities:
        target = compatibility.target
        for name, (package, candidates) in on_target[target].items():
            if package.version is None:
                raise _invalid(where, f"package {name!r} has no version")
            key = name, package.version
            found = wheels.setdefault(key, {})
            chosen = choose_wheel(candidates, compatibility, python)
            if chosen is None:
                missing.setdefault(key, set()).add(target)
            elif "sha256" not in chosen.hashes:
                raise _invalid(where, f"{chosen.filename} has no SHA-256 hash")
            else:
                found[target] = LockedWheel(
                    chosen.filename, chosen.url, chosen.path, chosen.hashes["sha256"], chosen.size
                )
    return tuple(LockedPackage(*key, wheels[key], frozenset(missing.get(key, ()))) for key in sorted(wheels))


def read_shared(lock: Pylock, where: str) -> tuple[SharedPackage, ...]:
    """Read what layers below provide, as written under ``[tool.venvstacks]``."""
    try:
        return tuple(
            SharedPackage(
                item["name"],
                Version(item["version"]),
                item["layer"],
                tuple(TARGETS[name] for name in item["platforms"]),
            )
            for item in (lock.tool or {}).get("venvstacks", {}).get("shared", ())
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _invalid(
            where, f"[tool.venvstacks] has an entry under 'shared' that is not understood ({error})"
        ) from error


def read_legacy_shared(
    lock: Pylock, compatibilities: Sequence[Compatibility], python: PythonVersion, where: str
) -> list[tuple[str, Version, Target]]:
    """Read what layers below provide, as venvstacks 0.8 wrote it: without saying which layer does."""
    found: list[tuple[str, Version, Target]] = []
    for item in (lock.tool or {}).get("venvstacks", {}).get("from_lower_layer", ()):
        try:
            name, version = canonicalize_name(item["name"]), Version(item["version"])
            marker = Marker(item["marker"]) if item["marker"] else None
        except (InvalidMarker, KeyError, TypeError, ValueError) as error:
            raise _invalid(where, f"a package that is shared from below is not understood ({error})") from error
        found += [
            (name, version, each.target)
            for each in compatibilities
            if marker is None or marker.evaluate(dict(each.marker_environment(python)), context="lock_file")
        ]
    return sorted(found)
