"""Locks of venvstacks 0.8: what of them can be confirmed.

Its hashes are over plain text without separators, as experiments with it have shown.
"""

from collections.abc import Iterator, Mapping, Sequence

from packaging.markers import Marker
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import InvalidLockError
from venvstacks.files import sha256
from venvstacks.locking.divide import overridden_names
from venvstacks.locking.layer_lock import LockMetadata, Resolution, SharedPackage
from venvstacks.locking.lock_contents import Content
from venvstacks.locking.pylock import invalid_lock, parse_pylock, read_packages
from venvstacks.platforms.compatibility import Compatibility, PythonVersion, holds
from venvstacks.platforms.targets import TARGETS, Target

_LINUX = TARGETS["linux_x86_64"]


def read_legacy(
    stack: Stack, layer: Layer, text: str, where: str, below: Sequence[tuple[str, Content]]
) -> tuple[Resolution, str]:
    """Read a lock of venvstacks 0.8, and why it cannot be used: empty if all that can be compared agrees.

    It does not say which layer below provides a package: that is taken from what they lock now.
    """
    python = layer.python.exactly(layer.python.version)
    try:
        lock = parse_pylock(text, where)
        packages = read_packages(lock, layer.compatibilities, python, where)
        shared = read_legacy_shared(lock, layer.compatibilities, python, where, below)
    except InvalidLockError as error:
        return Resolution(), f"it is damaged ({error.message})"
    if lock.requires_python is not None and not lock.requires_python.contains(python.release, prereleases=True):
        return Resolution(), f"it was made for Python {lock.requires_python}"
    found = Resolution(packages, shared)
    return found, _why_unfulfilled(stack, layer, python, found)


def read_legacy_shared(
    lock: Pylock,
    compatibilities: Sequence[Compatibility],
    python: PythonVersion,
    where: str,
    below: Sequence[tuple[str, Content]],
) -> tuple[SharedPackage, ...]:
    """Read what layers below provide, as venvstacks 0.8 wrote it."""
    found: dict[tuple[str, Version, str], set[Target]] = {}
    for name, version, marker in _list_shared(lock, where):
        for limits in compatibilities:
            if holds(marker, limits.marker_environment(python)):
                provider = _find_provider(name, limits.target, below)
                found.setdefault((name, version, provider), set()).add(limits.target)
    return tuple(SharedPackage(*key, tuple(sorted(found[key]))) for key in sorted(found))


def _list_shared(lock: Pylock, where: str) -> list[tuple[str, Version, Marker | None]]:
    try:
        return [
            (
                canonicalize_name(item["name"]),
                Version(item["version"]),
                Marker(item["marker"]) if item["marker"] else None,
            )
            for item in (lock.tool or {}).get("venvstacks", {}).get("from_lower_layer", ())
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = f"a package that is shared from below is not understood ({error})"
        raise invalid_lock(where, why) from error


def _find_provider(name: str, target: Target, below: Sequence[tuple[str, Content]]) -> str:
    """Return the build name of the first layer that has a package on a target; empty if none has."""
    for layer, content in below:
        if any(target.name in targets for _, targets in content.own.get(name, ())):
            return layer
    return ""


def summarize(resolution: Resolution) -> Content:
    """Return which packages a lock has, in the form that is compared with other locks."""
    own: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for package in resolution.packages:
        targets = frozenset(target.name for target in (*package.wheels, *package.missing))
        own.setdefault(package.name, []).append((str(package.version), targets))
    taken = (
        (each.name, str(each.version), frozenset(target.name for target in each.targets), each.layer)
        for each in resolution.shared
    )
    return Content(own, tuple(taken))


def is_same(one: Resolution, other: Resolution) -> bool:
    """Whether two locks give each target the same files, wherever they are downloaded from."""
    return _locked_files(one) == _locked_files(other)


def _locked_files(resolution: Resolution) -> set[tuple[str, Version, Target, str, str]]:
    own = {
        (package.name, package.version, target, wheel.filename, wheel.sha256)
        for package in resolution.packages
        for target, wheel in package.wheels.items()
    }
    return own | {
        (each.name, each.version, target, "", "") for each in resolution.shared for target in each.targets
    }


def why_changed(stack: Stack, layer: Layer, metadata: LockMetadata, module_hashes: Mapping[str, str]) -> str:
    """Describe what of the definition has changed since venvstacks 0.8 locked a layer; empty if nothing has."""
    if metadata.lock_input_hash != _hash("".join(sorted(map(str, layer.requirements)))):
        return "the declared requirements have changed since venvstacks 0.8 locked it"
    if not layer.python.is_exact:
        return "venvstacks 0.8 locked it, and the definition gives no exact Python version"
    if metadata.other_inputs_hash not in map(_hash, _other_inputs(stack, layer)):
        return "its Python, targets or layers below have changed since venvstacks 0.8 locked it"
    # modules of layers without a number are no part of their locks
    is_versioned = metadata.version_inputs_hash == _hash(_version_inputs(layer, module_hashes))
    if is_versioned != layer.versioned:
        return "its modules or `versioned` have changed since venvstacks 0.8 locked it"
    return ""


def _version_inputs(layer: Layer, module_hashes: Mapping[str, str]) -> str:
    """Write what the hash of a versioned layer is over."""
    launch = [layer.launch_module.name] if layer.launch_module else []
    names = [*launch, *sorted(module.name for module in layer.support_modules)]
    modules = "".join(module_hashes[name] for name in names)
    return f"env_name={layer.build_name}is_versioned_layer=True{modules}"


def _why_unfulfilled(stack: Stack, layer: Layer, python: PythonVersion, locked: Resolution) -> str:
    """Describe which declared requirement the locked packages do not fulfil on some target."""
    versions = {(p.name, target): p.version for p in locked.packages for target in (*p.wheels, *p.missing)}
    versions |= {(each.name, target): each.version for each in locked.shared for target in each.targets}
    replaced = overridden_names(stack.uv)
    for requirement in layer.requirements:
        name = canonicalize_name(requirement.name)
        for limits in layer.compatibilities if name not in replaced else ():
            if holds(requirement.marker, limits.marker_environment(python)):
                version = versions.get((name, limits.target))
                if version is None or not requirement.specifier.contains(version, prereleases=True):
                    what = f"{name} {version}" if version else f"no {name}"
                    return f"it has {what} on {limits.target.name}, and '{requirement}' is required"
    return ""


def _hash(text: str) -> str:
    return f"sha256:{sha256(text.encode())}"


def _other_inputs(stack: Stack, layer: Layer) -> Iterator[str]:
    """Write what the hash may be over: targets are in it as they were declared, and a default may be left out."""
    below = [stack.layer(name).name for name in layer.below]
    names = "".join([*below[-1:], *below[:-1]])  # the runtime first
    for linux in _linux_targets(layer.compatibilities):
        for macosx in _macosx_targets(layer.compatibilities):
            yield f"py_version={layer.python.minor}{linux}{macosx}{names}"


def _linux_targets(compatibilities: Sequence[Compatibility]) -> set[str]:
    default = Compatibility(_LINUX)
    limits = next((each for each in compatibilities if each.target.os == "linux"), default)
    written = {f"linux_target={limits.libc}@{'.'.join(map(str, limits.libc_version))}"}
    is_default = (limits.libc, limits.libc_version) == (default.libc, default.libc_version)
    return written | {"", f"linux_target={limits.libc}"} if is_default else written


def _macosx_targets(compatibilities: Sequence[Compatibility]) -> set[str]:
    major, minor = compatibilities[0].macos_version
    written = {f"macosx_target={major}.{minor}"} | ({f"macosx_target={major}"} if minor == 0 else set())
    return written | {""} if (major, minor) == Compatibility(_LINUX).macos_version else written
