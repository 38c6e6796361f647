"""Pylock files (PEP 751): written by venvstacks, read whoever wrote them.

Each package lists exactly the wheel that each target gets, so that every installer makes the same choice.
What layers below provide is recorded under ``[tool.venvstacks]``. Locks of venvstacks 0.8 are brought into this
form when they are read: there such packages are among the others, without any source, and their marker ends with
``sys_platform == 'from_lower_layer'``; and a lock without packages has no ``packages`` key.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from packaging.pylock import Package, PackageWheel, Pylock, PylockValidationError
from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.documents import DocumentError, parse_toml
from venvstacks.errors import InvalidLockError
from venvstacks.locking.hashes import DO_NOT_EDIT
from venvstacks.locking.layer_lock import FORMAT, LockedPackage, LockedWheel, Resolution, SharedPackage
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, best_wheel, holds, marker_of
from venvstacks.platforms.targets import TARGETS, Target

Candidates = Sequence[tuple[Compatibility, Package]]
"""Packages with all their wheels, each with a target that needs it, sorted by name and target."""

_LEGACY_SHARED = re.compile(r"(?:\((?P<marker>.*)\) and )?sys_platform == 'from_lower_layer'", re.DOTALL)


def format_pylock(layer: Layer, resolution: Resolution) -> str:
    """Write a layer's lock."""
    import tomlkit  # noqa: PLC0415 - only writing needs it

    document = tomlkit.document()
    for line in DO_NOT_EDIT.splitlines():
        document.add(tomlkit.comment(line.removeprefix("# ")))
    document["lock-version"] = "1.0"
    document["environments"] = _lines(target.marker for target in layer.targets)  # never none: it has targets
    document["requires-python"] = f"=={layer.python.minor}.*"
    document["created-by"] = "venvstacks"
    if not resolution.packages:
        document["packages"] = tomlkit.array()
    own = tomlkit.table()
    own["format"] = FORMAT
    if resolution.shared:
        own["shared"] = _lines(map(_shared_table, resolution.shared))
    if resolution.packages:
        tables = tomlkit.aot()
        for package in resolution.packages:
            tables.append(_package_table(layer, package))
        document["packages"] = tables
    document["tool"] = tomlkit.table(is_super_table=True).append("venvstacks", own)
    return tomlkit.dumps(document)


def _lines(items: Iterable[Any]) -> Any:  # noqa: ANN401 - tomlkit's own types
    """Write an array with a line for each item."""
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
    place = {"url": wheel.url} if wheel.path is None else {"path": wheel.path}
    size = {} if wheel.size is None else {"size": wheel.size}
    return _inline_table(name=wheel.filename, **place, **size, hashes=_inline_table(sha256=wheel.sha256))


def _shared_table(shared: SharedPackage) -> Any:  # noqa: ANN401 - tomlkit's own types
    platforms = [target.name for target in shared.targets]
    return _inline_table(name=shared.name, version=str(shared.version), layer=shared.layer, platforms=platforms)


def _inline_table(**values: object) -> Any:  # noqa: ANN401 - tomlkit's own types
    import tomlkit  # noqa: PLC0415 - only writing needs it

    table = tomlkit.inline_table()
    table.update(values)
    return table


def parse_pylock(text: str, where: str) -> Pylock:
    """Read a pylock file."""
    try:
        return Pylock.from_dict(_without_legacy(parse_toml(text)))
    except DocumentError as error:
        raise invalid_lock(where, f"it is not valid TOML ({error})") from error
    except PylockValidationError as error:
        raise invalid_lock(where, f"it is not a valid lock ({error})") from error


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


def invalid_lock(where: str, why: str) -> InvalidLockError:
    """Return the error that a lock file cannot be used."""
    return InvalidLockError(
        f"{where} cannot be used: {why}.",
        hint="restore the file from version control, or lock again with `venvstacks lock`",
    )


def read_candidates(lock: Pylock, compatibilities: Iterable[Compatibility], python: PythonVersion) -> Candidates:
    """Read which packages a lock has on each target."""
    found: dict[tuple[str, Target], tuple[Compatibility, Package]] = {}
    for limits in compatibilities:
        environment = limits.marker_environment(python)
        for package in lock.packages:
            if holds(package.marker, environment):
                found[package.name, limits.target] = limits, package
    return [found[key] for key in sorted(found)]


def choose_wheel(package: Package, limits: Compatibility, python: PythonVersion) -> PackageWheel | None:
    """Choose the wheel that a target gets, or None if none is usable there."""
    by_name = {wheel.filename: wheel for wheel in reversed(package.wheels or ())}
    best = best_wheel(by_name, limits.tags(python))
    return by_name[best] if best is not None else None


def read_packages(
    lock: Pylock, compatibilities: Sequence[Compatibility], python: PythonVersion, where: str
) -> tuple[LockedPackage, ...]:
    """Read what a layer installs, with the wheel of each target, or without one where none is usable."""
    wheels: dict[tuple[str, Version], dict[Target, LockedWheel]] = {}
    missing: dict[tuple[str, Version], set[Target]] = {}
    for limits, package in read_candidates(lock, compatibilities, python):
        if package.version is None:
            raise invalid_lock(where, f"package {package.name!r} has no version")
        key = package.name, package.version
        found = wheels.setdefault(key, {})
        wheel = choose_wheel(package, limits, python)
        if wheel is None:
            missing.setdefault(key, set()).add(limits.target)
        elif "sha256" not in wheel.hashes:
            raise invalid_lock(where, f"{wheel.filename} has no SHA-256 hash")
        else:
            digest = wheel.hashes["sha256"]
            found[limits.target] = LockedWheel(wheel.filename, wheel.url, wheel.path, digest, wheel.size)
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
        why = f"[tool.venvstacks] has an entry under 'shared' that is not understood ({error})"
        raise invalid_lock(where, why) from error
