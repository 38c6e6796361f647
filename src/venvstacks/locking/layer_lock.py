"""A layer's lock: exact packages, the wheel each target gets, what layers below provide; and its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from packaging.version import Version

from venvstacks.definition.stack import Layer, Stack
from venvstacks.errors import InvalidLockError
from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.platforms.targets import Target


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """One file that an index or a local folder offers.

    Attributes:
        filename: The wheel's file name.
        url: Where it is downloaded from; None for a local file.
        path: POSIX path of a local file, relative to the folder of the lock; None for a download.
        sha256: Hash of the file, 64 hexadecimal digits.
        size: In bytes, if the index knows.
    """

    filename: str
    url: str | None
    path: str | None
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package that the layer itself installs.

    Attributes:
        name: Normalised name (PEP 503).
        version: Exact version.
        wheels: The wheel that each target gets; targets that do not need the package are absent.
        missing: Targets that need the package and have no usable wheel: whoever made the lock did not ask for one.
    """

    name: str
    version: Version
    wheels: Mapping[Target, LockedWheel]
    missing: frozenset[Target] = frozenset()


@dataclass(frozen=True, slots=True)
class SharedPackage:
    """A package that the layer uses from a layer below, on some targets or on all.

    Attributes:
        name: Normalised name (PEP 503).
        version: Exact version.
        layer: Build name of the layer that provides it.
        targets: Where, sorted.
    """

    name: str
    version: Version
    layer: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a layer needs on its targets: packages that it installs itself, and those that layers below provide."""

    packages: tuple[LockedPackage, ...] = ()
    shared: tuple[SharedPackage, ...] = ()


FORMAT = 1
"""Version of what is under ``[tool.venvstacks]`` in a lock; newer ones are refused."""


class LockMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What ``pylock.L.meta.json`` holds (see *Locks* in the reference); 0.8 does not write what has a default.

    Attributes:
        requirements_hash: Of the locked packages.
        lock_input_hash: Of the declared requirements.
        other_inputs_hash: Of whatever else makes a lock stale.
        version_inputs_hash: Of what changes a versioned layer's number without changing its packages.
        lock_version: 1, or more for versioned layers.
        locked_at: ISO 8601 in UTC, whole seconds.
        python_version: Exact version of the base Python.
        tool_versions: Versions of the tools that made the lock.
    """

    requirements_hash: str
    lock_input_hash: str
    other_inputs_hash: str = ""
    version_inputs_hash: str = ""
    lock_version: Annotated[int, msgspec.Meta(ge=1)]
    locked_at: str
    python_version: Annotated[str, msgspec.Meta(pattern=r"^(\d+\.\d+\.\d+((a|b|rc)\d+)?)?$")] = ""
    tool_versions: dict[str, str] = {}

    def __post_init__(self) -> None:
        read_time(self.locked_at)  # msgspec makes a ValueError its own


@dataclass(frozen=True, slots=True)
class LayerLock:
    """A layer's lock, as its files hold it.

    Attributes:
        layer: Build name.
        install_target: Name of the deployed folder.
        python: The exact base Python.
        packages: What the layer installs, sorted by name and version.
        shared: What it uses from layers below, sorted.
        metadata: The lock metadata.
    """

    layer: str
    install_target: str
    python: PythonVersion
    packages: tuple[LockedPackage, ...]
    shared: tuple[SharedPackage, ...]
    metadata: LockMetadata

    def wheels_on(self, target: Target) -> tuple[tuple[LockedPackage, LockedWheel], ...]:
        """Return what is installed on a target: packages with their wheels, sorted by name.

        Raises:
            InvalidLockError: A package has no wheel that can be used there.
        """
        if lacking := [f"{p.name} {p.version}" for p in self.packages if target in p.missing]:
            raise InvalidLockError(
                f"{self.layer!r} cannot be used on {target.name}: its lock has no wheel there of "
                f"{', '.join(lacking)}.",
                hint="run `venvstacks lock`, which explains what would work, or leave this platform out",
            )
        return tuple((p, p.wheels[target]) for p in self.packages if target in p.wheels)

    @property
    def locked_at_seconds(self) -> int:
        """The lock time as seconds since 1970, which every file in an archive carries."""
        return int(read_time(self.metadata.locked_at).timestamp())


def read_time(text: str) -> datetime:
    """Read an ISO 8601 time; one without a time zone is in UTC.

    Raises:
        ValueError: It is no time.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def lock_folder(stack: Stack, layer: Layer) -> Path:
    """Return the folder of a layer's lock files: ``requirements/L`` beside the definition."""
    return stack.requirements_folder / layer.build_name


def lock_file(stack: Stack, layer: Layer, kind: Literal["declared", "pylock", "metadata", "summary"]) -> Path:
    """Return the path of a layer's declared requirements, PEP 751 lock, lock metadata, or short list for people.

    Dots in the build name become ``_`` in file names: PEP 751 allows none between ``pylock.`` and ``.toml``. The
    list for people keeps them, as in venvstacks 0.8.
    """
    plain = layer.build_name.replace(".", "_")
    names = {
        "declared": f"requirements-{plain}.in",
        "pylock": f"pylock.{plain}.toml",
        "metadata": f"pylock.{plain}.meta.json",
        "summary": f"packages-{layer.build_name}.txt",
    }
    return lock_folder(stack, layer) / names[kind]
