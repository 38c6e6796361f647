"""A layer for one target, from the plan of a build to its publication."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvstacks.building.build_state import BuildState, new_state
from venvstacks.building.exclusions import ExcludedPackage, installed_wheels
from venvstacks.building.layer_layout import Layout
from venvstacks.definition.stack import Bytecode, Layer
from venvstacks.entries import Entry
from venvstacks.files import json_hash
from venvstacks.locking.layer_lock import LayerLock, LockedPackage, LockedWheel
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import Target

LayerKey = tuple[str, str]
"""Target name and build name: what distinguishes a layer for a target from all others."""


@dataclass(frozen=True, slots=True)
class LayerBuild:
    """A layer for one target: all that decides its content, and what is recorded of its folder.

    Attributes:
        layer: The layer.
        lock: Its lock.
        below: The locks of the layers below, in path order, the runtime's last.
        folder: The layer's folder, absolute, whether it is there or not.
        module_hashes: Import name -> hash of the launch and support modules.
        excluded: What the layer leaves out of the packages that are locked for the target, sorted by name.
    """

    layer: Layer
    lock: LayerLock
    below: tuple[LayerLock, ...]
    compatibility: Compatibility
    folder: Path
    layout: Layout
    configuration: Mapping[str, Any]  # the content of venvstacks_layer.json
    module_hashes: Mapping[str, str]
    inputs_hash: str  # of all of this
    # Of a runtime, whether an interpreter of this machine may serve. It is a wish of the run that builds, so it is
    # kept apart from the inputs: publishing takes a runtime as it was built.
    local_runtime: str = ""
    excluded: tuple[ExcludedPackage, ...] = ()
    bytecode: Bytecode = "none"
    state: BuildState | None = None  # what the last build of the folder recorded, whatever its inputs were

    @property
    def key(self) -> LayerKey:
        """What distinguishes it from all others."""
        return self.target.name, self.layer.build_name

    @property
    def keys_below(self) -> tuple[LayerKey, ...]:
        """The keys of the layers below it, in path order."""
        return tuple((self.target.name, name) for name in self.layer.below)

    @property
    def target(self) -> Target:
        """The target platform."""
        return self.compatibility.target

    @property
    def wheels(self) -> tuple[tuple[LockedPackage, LockedWheel], ...]:
        """What is installed: packages with their wheels, sorted by name."""
        return installed_wheels(self.layer, self.lock, self.target)

    @property
    def headline(self) -> str:
        """How a sentence about the layer begins: ``Framework 'Torch'``."""
        return self.layer.title[0].upper() + self.layer.title[1:]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything in its folder that belongs to the layer, sorted by path; empty if it is not built."""
        return state.entries if (state := built_state(self)) is not None else ()

    @property
    def size(self) -> int:
        """The sizes of its files together, in bytes; 0 if it is not built."""
        return sum(entry.size for entry in self.entries)

    @property
    def links_hash(self) -> str | None:
        """Hash of what it takes from the layers below, whatever its inputs are; None if it is not built."""
        return state.linking or None if (state := built_state(self)) is not None else None

    @property
    def system_libraries(self) -> tuple[str, ...]:
        """Names of the shared libraries that the target's system has to provide, as far as is known."""
        return state.system_libraries if (state := built_state(self)) is not None else ()

    @property
    def content_hash(self) -> str:
        """Hash of everything that decides what is published of it: ``sha256:HEX``."""
        built_with = self.local_runtime if self.state is None else self.state.local_runtime
        # a copied interpreter has other bytes than a managed one, so what holds it is another archive
        return self.inputs_hash if built_with in {"", "never"} else json_hash([self.inputs_hash, built_with])


def built_state(build: LayerBuild) -> BuildState | None:
    """Return what is recorded of a layer's folder, if it was built from the present inputs; None if it was not."""
    state = build.state
    return state if state is not None and state.inputs_hash == build.inputs_hash else None


def state_or_empty(build: LayerBuild) -> BuildState:
    """Return what the last build of a layer's folder recorded; the state of an empty layer if there is none."""
    return build.state or new_state(build.inputs_hash, build.local_runtime, ())
