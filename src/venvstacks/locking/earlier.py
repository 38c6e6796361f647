"""What the earlier lock of a layer means for its new one: pins, and wheels from local folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.errors import InvalidLockError, LockError
from venvstacks.locking.layer_lock import LockedPackage
from venvstacks.locking.pylock import parse_pylock


@dataclass(frozen=True, slots=True)
class EarlierLock:
    """The earlier lock of a layer.

    Attributes:
        text: Its content, from which uv takes pins; None if there is none that counts.
        versions: Normalised package name -> version; of several, the newest.
        local: Normalised name of each package from a local folder -> POSIX path of a wheel, relative to the lock.
    """

    text: str | None = None
    versions: Mapping[str, Version] = field(default_factory=dict)
    local: Mapping[str, str] = field(default_factory=dict)


NO_LOCK = EarlierLock()
"""That of a layer that was never locked, or whose pins are forgotten."""


def read_earlier(pylock: Path) -> EarlierLock:
    """Read an earlier lock, unless it is missing, damaged or without packages.

    uv takes the locks of venvstacks 0.8 as they are, but for those without packages.
    """
    try:
        text = pylock.read_text(encoding="utf-8")
        packages = parse_pylock(text, pylock.name).packages
    except (OSError, UnicodeDecodeError, InvalidLockError):
        return NO_LOCK
    if not packages:
        return NO_LOCK
    versions: dict[str, Version] = {}
    local: dict[str, str] = {}
    for package in packages:
        if package.version is not None:
            versions[package.name] = max(package.version, versions.get(package.name, package.version))
        for wheel in package.wheels or ():
            if wheel.path is not None:
                local[package.name] = wheel.path
    return EarlierLock(text, versions, local)


def check_local(layer: Layer, packages: Sequence[LockedPackage], earlier: EarlierLock) -> None:
    """Refuse to take from elsewhere what came from a local folder: its option was forgotten."""
    for package in packages:
        path, version = earlier.local.get(package.name), earlier.versions.get(package.name)
        if path is not None and all(wheel.path is None for wheel in package.wheels.values()):
            raise LockError(
                f"Cannot lock {layer.title}: its lock takes {package.name} {version} from a local folder ({path}, "
                f"relative to the lock file), but this run would take {package.version} from an index.",
                hint="name the folder with --local-wheels DIR, as before; or give that up with "
                f"--reset-lock '{layer.build_name}'",
            )
