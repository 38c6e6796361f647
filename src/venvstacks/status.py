"""What is known of a stack's layers and their locks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from venvstacks.definition.stack import Layer, LayerKind, Stack
from venvstacks.locking.states import LockState

Operations = Mapping[str, tuple[str, ...]]
"""Build name -> what is to be done with the layer: ``reset-lock``, ``lock``, ``build``, ``build-if-needed``,
``publish``, ``export``."""


@dataclass(frozen=True, slots=True)
class StackStatus:
    """What is known of a stack, as ``venvstacks show`` prints it.

    Attributes:
        stack: The stack.
        locks: Build name -> state of the lock, of all layers in the stack's order.
        listed: Build names of the layers that are described.
        operations: What is to be done; None if that is not asked about.
    """

    stack: Stack
    locks: Mapping[str, LockState]
    listed: Collection[str]
    operations: Operations | None = None

    @property
    def by_kind(self) -> dict[LayerKind, list[Layer]]:
        """The listed layers, in the stack's order."""
        return {
            kind: [layer for layer in self.stack.of_kind(kind) if layer.build_name in self.listed]
            for kind in LayerKind
        }

    def as_json(self) -> dict[str, Any]:
        """Return the same as ``venvstacks show --json`` prints it.

        Each layer in ``runtimes``, ``frameworks`` and ``applications`` has ``name``, ``install_target``,
        ``has_valid_lock``, ``platforms`` and ``selected_operations``. A layer that depends on others has
        ``dependencies``: the same of these, in path order, without what they depend on in turn.
        """
        layers = {kind.table: [self._describe(layer) for layer in found] for kind, found in self.by_kind.items()}
        return {"spec_name": str(self.stack.path), **layers}

    def _describe(self, layer: Layer) -> dict[str, Any]:
        described = self._describe_alone(layer)
        if layer.kind is not LayerKind.RUNTIME:
            described["dependencies"] = [self._describe_alone(lower) for lower in self.stack.below(layer)]
        return described

    def _describe_alone(self, layer: Layer) -> dict[str, Any]:
        lock, operations = self.locks[layer.build_name], self.operations
        return {
            "name": layer.build_name,
            "install_target": lock.install_target,
            "has_valid_lock": lock.is_valid,
            "platforms": [target.name for target in layer.targets],
            "selected_operations": None if operations is None else list(operations.get(layer.build_name, ())),
        }
