"""Locks of venvstacks 0.8: what of them can be confirmed.

Its hashes are over plain text without separators, as experiments with it have shown.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name
from packaging.version import Version

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import InvalidLockError
from venvstacks.locking.layer_lock import LockedPackage, LockMetadata, SharedPackage
from venvstacks.locking.lock_contents import Content, Taken
from venvstacks.locking.project import overridden_names
from venvstacks.locking.pylock import parse_pylock, read_legacy_shared, read_packages
from venvstacks.platforms.compatibility import Compatibility, PythonVersion
from venvstacks.platforms.targets import TARGETS, Target

_LINUX = TARGETS["linux_x86_64"]


@dataclass(frozen=True, slots=True)
class LegacyLock:
    """What a lock of venvstacks 0.8 says.

    Attributes:
        packages: What the layer installs itself.
        shared: Name, version and target of what layers below provide.
        reason: Why it cannot be used; empty if all that can be compared agrees.
    """

    packages: tuple[LockedPackage, ...] = ()
    shared: tuple[tuple[str, Version, Target], ...] = ()
    reason: str = ""

    @property
    def content(self) -> Content:
        """What it says of packages."""
        own: dict[str, list[tuple[str, frozenset[str]]]] = {}
        for package in self.packages:
            targets = frozenset(target.name for target in (*package.wheels, *package.missing))
            own.setdefault(package.name, []).append((str(package.version), targets))
        shared: dict[tuple[str, str], set[str]] = {}
        for name, version, target in self.shared:
            shared.setdefault((name, str(version)), set()).add(target.name)
        return Content(own, tuple(Taken(*key, frozenset(targets), "") for key, targets in shared.items()))

    def agrees_with(self, packages: Sequence[LockedPackage], shared: Sequence[SharedPackage]) -> bool:
        """Whether a new lock says the same: the same files on each target, wherever they are downloaded from."""
        taken = {(item.name, item.version, target) for item in shared for target in item.targets}
        return taken == set(self.shared) and _files(packages) == _files(self.packages)


def _files(packages: Sequence[LockedPackage]) -> set[tuple[str, Version, Target, str, str]]:
    return {
        (package.name, package.version, target, wheel.filename, wheel.sha256)
        for package in packages
        for target, wheel in package.wheels.items()
    }


def read_legacy(  # noqa: PLR0917 - one call
    stack: Stack, layer: Layer, metadata: LockMetadata, module_hashes: Mapping[str, str], text: str, where: str
) -> LegacyLock:
    """Read a lock of venvstacks 0.8, and compare it with the definition."""
    reason = _why_changed(stack, layer, metadata, module_hashes)
    if reason:
        return LegacyLock(reason=reason)
    python = layer.python.exactly(layer.python.version)
    try:
        lock = parse_pylock(text, where)
        packages = read_packages(lock, layer.compatibilities, python, where)
        shared = read_legacy_shared(lock, layer.compatibilities, python, where)
    except InvalidLockError as error:
        return LegacyLock(reason=f"it is damaged ({error.message})")
    if lock.requires_python is not None and not lock.requires_python.contains(python.release, prereleases=True):
        return LegacyLock(reason=f"it was made for Python {lock.requires_python}")
    found = LegacyLock(packages, tuple(shared))
    return replace(found, reason=_unfulfilled(stack, layer, python, found.content))


def _why_changed(stack: Stack, layer: Layer, metadata: LockMetadata, module_hashes: Mapping[str, str]) -> str:
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


def _unfulfilled(stack: Stack, layer: Layer, python: PythonVersion, content: Content) -> str:
    """Describe which declared requirement the locked packages do not fulfil on some target."""
    found = [(name, *each) for name, versions in content.own.items() for each in versions]
    found += [(item.name, item.version, item.targets) for item in content.taken]
    versions = {(name, target): version for name, version, targets in found for target in targets}
    replaced = overridden_names(stack.uv)
    for requirement in layer.requirements:
        name = canonicalize_name(requirement.name)
        for limits in layer.compatibilities if name not in replaced else ():
            if requirement.marker is None or requirement.marker.evaluate(limits.marker_environment(python)):
                version = versions.get((name, limits.target.name))
                if version is None or not requirement.specifier.contains(version, prereleases=True):
                    what = f"{name} {version}" if version else f"no {name}"
                    return f"it has {what} on {limits.target.name}, and '{requirement}' is required"
    return ""


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _other_inputs(stack: Stack, layer: Layer) -> Iterator[str]:
    """Write what the hash may be over: targets are in it as they were declared, and a default may be left out."""
    python = ".".join(layer.python.version.split(".")[:2])
    below = [stack.layer(name).name for name in layer.below]
    names = "".join([*below[-1:], *below[:-1]])  # the runtime first
    for linux in _linux_targets(layer.compatibilities):
        for macosx in _macosx_targets(layer.compatibilities):
            yield f"py_version={python}{linux}{macosx}{names}"


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
