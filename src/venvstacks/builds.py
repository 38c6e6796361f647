"""What is known of a stack's locks and builds: each file is read once, and again only after it was written."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks.definition.stack import Stack
from venvstacks.locking.states import LockState, load_lock, lock_states
from venvstacks.platforms.targets import Target
from venvstacks.selection import choose_targets, extend_selection

if TYPE_CHECKING:
    from venvstacks.building.layer_build import LayerBuild, LayerKey
    from venvstacks.locking.layer_lock import LayerLock


class StackBuilds:
    """The locks of a stack, and its layers for targets, as far as they were asked for."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._folder = folder
        self._states: dict[str, LockState] = {}
        self._locks: dict[str, LayerLock] = {}
        self._builds: dict[LayerKey, LayerBuild] = {}

    @property
    def states(self) -> dict[str, LockState]:
        """Build name -> state of the lock, of all layers in the stack's order."""
        if not self._states:
            self._states = lock_states(self.stack)
        return self._states

    def forget(self) -> None:
        """Read everything again when it is asked for: locks were written."""
        self._states, self._locks = {}, {}
        self.forget_builds()

    def forget_builds(self) -> None:
        """Read again what is recorded of layers when it is asked for: they are built now."""
        self._builds = {}

    def update(self, builds: "Iterable[LayerBuild]") -> None:
        """Remember what was recorded of layers that were built."""
        self._builds.update({build.key: build for build in builds})

    def select(self, chosen: Collection[str], platforms: Collection[str]) -> "tuple[LayerBuild, ...]":
        """Return layers, and those below them, platform by platform, each in the stack's order."""
        found: list[LayerBuild] = []
        for target in choose_targets(self.stack, chosen, platforms):
            made = {name for name in chosen if self.stack.layer(name).on(target) is not None}
            needed = extend_selection(self.stack, made, dependencies=True, derived=False)
            if missing := {name for name in needed if (target.name, name) not in self._builds}:
                self._read(missing, target)
            found += (self._builds[target.name, layer.build_name] for layer in self.stack.named(needed))
        return tuple(found)

    def _read(self, names: set[str], target: Target) -> None:
        from venvstacks.building.build_plan import plan_layers  # noqa: PLC0415 - to show a stack
        from venvstacks.building.build_state import read_state  # noqa: PLC0415 - must be quick

        needed = self.stack.named(extend_selection(self.stack, names, dependencies=True, derived=False))
        for layer in needed:
            if layer.build_name not in self._locks:
                self._locks[layer.build_name] = load_lock(self.stack, self.states[layer.build_name])
        locks = {layer.build_name: self._locks[layer.build_name] for layer in needed}
        modules = {name: self.states[name].module_hashes for name in locks}
        for build in plan_layers(self.stack, locks, modules, target, self._folder):
            if build.layer.build_name in names:
                self._builds[build.key] = replace(build, state=read_state(build.folder))
