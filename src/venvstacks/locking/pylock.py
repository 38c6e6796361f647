"""Pylock files (PEP 751): written by venvstacks, read whoever wrote them.

Each package lists exactly the wheel that each target gets, so that every installer makes the same choice.
What layers below provide is recorded under ``[tool.venvstacks]``; venvstacks 0.8 marked such packages with
the marker ``sys_platform == 'from_lower_layer'`` instead.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.pylock import Package, PackageWheel, Pylock, PylockValidationError
from packaging.version import Version

from venvstacks.errors import InvalidLockError
from venvstacks.locking.hashes import DO_NOT_EDIT
from venvstacks.locking.model import FORMAT, LockedPackage, LockedWheel, SharedPackage
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, best_wheel, marker_of
from venvstacks.platforms.targets import TARGETS, Target
from venvstacks.spec.model import Layer

Candidates = Mapping[Target, Mapping[str, tuple[Package, tuple[PackageWheel, ...]]]]
"""Target -> normalised name -> a package and its wheels."""

LEGACY_SHARED_MARKER = "from_lower_layer"


def pylock_text(layer: Layer, packages: Sequence[LockedPackage], shared: Sequence[SharedPackage]) -> str:
    """Write a layer's lock.

    Args:
        layer: The layer.
        packages: What it installs itself.
        shared: What layers below provide.

    Returns:
        The content of ``pylock.L.toml``: the same for the same packages.
    """
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
    """Read a pylock file.

    Args:
        text: Its content.
        where: How messages name the file.

    Raises:
        InvalidLockError: It is no TOML, no valid pylock file, or of a version that is not known.
    """
    try:
        data = tomllib.loads(text)
        lock = Pylock.from_dict(data)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(where, f"it is not valid TOML ({error})") from error
    except PylockValidationError as error:
        raise _invalid(where, f"it is not a valid lock ({error})") from error
    return lock


def _invalid(where: str, why: str) -> InvalidLockError:
    return InvalidLockError(
        f"{where} cannot be used: {why}.",
        hint="restore the file from version control, or make it anew with `venvstacks lock`",
    )


def locked_packages(lock: Pylock, compatibilities: Iterable[Compatibility], python: PythonVersion) -> Candidates:
    """Say which packages a lock has on each target.

    Args:
        lock: The lock.
        compatibilities: The targets.
        python: The exact base Python, for the markers.

    Returns:
        Target -> normalised name -> the package and its wheels. Packages that layers below provide
        in the way of venvstacks 0.8 are left out.
    """
    found: dict[Target, dict[str, tuple[Package, tuple[PackageWheel, ...]]]] = {}
    for compatibility in compatibilities:
        environment: Mapping[str, str] = compatibility.marker_environment(python)
        found[compatibility.target] = {
            package.name: (package, tuple(package.wheels or ()))
            for package in lock.packages
            if package.marker is None or package.marker.evaluate(dict(environment), context="lock_file")
        }
    return found


def is_legacy_shared(package: Package) -> bool:
    """Whether venvstacks 0.8 marked the package as provided by a layer below."""
    return package.marker is not None and LEGACY_SHARED_MARKER in str(package.marker)


def legacy_shared_names(lock: Pylock) -> frozenset[str]:
    """Give the names that venvstacks 0.8 marked as provided by layers below."""
    return frozenset(package.name for package in lock.packages if is_legacy_shared(package))


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
    """Read what a layer installs, with the wheel of each target.

    Raises:
        InvalidLockError: A package has no usable wheel, or a wheel has no SHA-256 hash.
    """
    wheels: dict[tuple[str, Version], dict[Target, LockedWheel]] = {}
    on_target = locked_packages(lock, compatibilities, python)
    for compatibility in compatibilities:
        for name, (package, candidates) in on_target[compatibility.target].items():
            chosen = choose_wheel(candidates, compatibility, python)
            if chosen is None or package.version is None or "sha256" not in chosen.hashes:
                raise _invalid(where, f"package {name!r} has no usable wheel for {compatibility.describe()}")
            key = name, package.version
            wheels.setdefault(key, {})[compatibility.target] = LockedWheel(
                chosen.filename,
                chosen.url,
                chosen.path,
                chosen.hashes["sha256"],
                chosen.size,
            )
    return tuple(LockedPackage(*key, wheels[key]) for key in sorted(wheels))


def read_shared(lock: Pylock, where: str) -> tuple[SharedPackage, ...]:
    """Read what layers below provide, as written under ``[tool.venvstacks]``.

    Raises:
        InvalidLockError: The table is not of the known form.
    """
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
