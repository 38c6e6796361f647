"""What is known of a stack's locks and builds: each file is read once, and again only after it was written."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from venvstacks.definition.stack import Stack
from venvstacks.locking.states import LockState, lock_states
from venvstacks.platforms.targets import Target
from venvstacks.selection import choose_targets, extend_selection

if TYPE_CHECKING:
    from venvstacks.building.layer_build import LayerBuild, LayerKey


class StackBuilds:
    """The locks of a stack, and its layers for targets, as far as they were asked for."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._folder = folder
        self._states: dict[str, LockState] = {}
        self._builds: dict[LayerKey, LayerBuild] = {}

    @property
    def states(self) -> dict[str, LockState]:
        """Build name -> state of the lock, of all layers in the stack's order."""
        if not self._states:
            self._states = lock_states(self.stack)
        return self._states

    def forget(self) -> None:
        """Read everything again when it is asked for: locks were written."""
        self._states = {}
        self.forget_builds()

    def forget_builds(self) -> None:
        """Read again what is recorded of layers when it is asked for: they are built now."""
        self._builds = {}

    def update(self, builds: "Iterable[LayerBuild]") -> None:
        """Remember what was recorded of layers that were built."""
        self._builds.update({build.key: build for build in builds})

    def select(
        self, chosen: Collection[str], platforms: Collection[str]
    ) -> "dict[Target, tuple[LayerBuild, ...]]":
        """Return layers, and those below them, for platforms.

        Args:
            chosen: Build names of the layers.
            platforms: Target names, ``host`` for this machine's, ``all`` for all that one of them is made for.

        Returns:
            For each platform, sorted by name, the layers that are made for it, in the stack's order.

        Raises:
            UsageError: The platforms are of no use for these layers.
            InvalidLockError: A layer has no valid lock.
        """
        targets = choose_targets(self.stack, chosen, platforms)
        wanted = {
            target: [
                layer
                for layer in self.stack.named(
                    extend_selection(self.stack, self.made_for(target, chosen), dependencies=True, derived=False)
                )
                if layer.on(target) is not None
            ]
            for target in targets
        }
        missing = {
            target: {layer.build_name for layer in layers if (target.name, layer.build_name) not in self._builds}
            for target, layers in wanted.items()
        }
        if any(missing.values()):
            self._read(missing)
        return {
            target: tuple(self._builds[target.name, layer.build_name] for layer in layers)
            for target, layers in wanted.items()
        }

    def made_for(self, target: Target, chosen: Collection[str]) -> frozenset[str]:
        """Return the layers that are made for a target."""
        return frozenset(name for name in chosen if self.stack.layer(name).on(target) is not None)

    def _read(self, missing: dict[Target, set[str]]) -> None:
        from venvstacks.building.build_plan import load_locks, plan_layers  # noqa: PLC0415 - to show a stack
        from venvstacks.building.build_state import read_state  # noqa: PLC0415 - must be quick

        locks = load_locks(self.stack, self.states, set().union(*missing.values()))
        modules = {name: self.states[name].module_hashes for name in locks}
        for target, names in missing.items():
            needed = extend_selection(self.stack, names, dependencies=True, derived=False)
            locked = {name: lock for name, lock in locks.items() if name in needed}
            for build in plan_layers(self.stack, locked, modules, target, self._folder):
                if build.layer.build_name in names:
                    self._builds[build.key] = replace(build, state=read_state(build.folder))
