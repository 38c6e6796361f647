"""A built layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from venvstacks.definition.stack import Layer
from venvstacks.entries import Entry
from venvstacks.locking.layer_lock import LayerLock
from venvstacks.platforms.targets import Target


@dataclass(frozen=True, slots=True)
class ExcludedPackage:
    """A package that a layer's lock has for a target, and that the layer leaves out.

    Attributes:
        name: Normalised name (PEP 503).
        version: Exact version.
        filename: The file name of the wheel that is not installed.
        size: The size of that wheel in bytes; None if neither the lock nor a local file tells.
    """

    name: str
    version: Version
    filename: str
    size: int | None


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer's folder, complete and checked, for one target.

    Attributes:
        layer: The layer.
        lock: What it was built from.
        below: Locks of the layers it stands on, in path order, the runtime's last.
        target: The target it was built for.
        folder: Where it stands, absolute.
        inputs_hash: Hash of everything that decides its content: ``sha256:HEX``.
        module_hashes: Import name -> hash of the launch and support modules.
        entries: Everything the folder holds that belongs to the layer, sorted by path.
        taken: Hash of what it takes from the layers below, which may change while its inputs do not; None if it is
            not built.
        system_libraries: Names of the shared libraries that the target's system has to bring, as far as is known.
        excluded: What its definition excludes of the packages that are locked for the target, sorted by name.
    """

    layer: Layer
    lock: LayerLock
    below: tuple[LayerLock, ...]
    target: Target
    folder: Path
    inputs_hash: str
    module_hashes: Mapping[str, str]
    entries: tuple[Entry, ...]
    excluded: tuple[ExcludedPackage, ...] = ()
    taken: str | None = None
    system_libraries: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Target name and build name: what tells it from all others."""
        return self.target.name, self.layer.build_name
