"""A stack as a tree for people, and as data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from venvstacks.locking.states import LockState
from venvstacks.platforms.targets import Target
from venvstacks.spec.model import Layer, LayerKind, Stack

Operations = Mapping[str, tuple[str, ...]]
"""Build name -> what is to be done with the layer, of ``lock``, ``build``, ``publish``, ``export``."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a stack.

    Attributes:
        stack: The stack.
        states: The layers' locks.
        layers: Build names of the layers that are listed.
        operations: What is to be done; None if nothing is.
        built: Build name -> names of the targets for which the layer stands in the build folder; None if that is
            not asked for.
        targets: What is asked about; layers that are made for none of these are marked. Empty for all targets.
    """

    stack: Stack
    states: Mapping[str, LockState]
    layers: Collection[str]
    operations: Operations | None = None
    built: Mapping[str, Collection[str]] | None = None
    targets: tuple[Target, ...] = ()

    def text(self) -> str:
        """Draw kinds, layers, and under each layer what it stands on, in path order."""
        lines = [self.stack.path.name]
        for kind in LayerKind:
            layers = [layer for layer in self.stack.of_kind(kind) if layer.build_name in self.layers]
            if layers:
                lines.append(f"  {kind.table}")
            for layer in layers:
                lines.append(f"    {self._label(layer)}{self._remarks(layer)}")
                lines += [f"        {self._label(lower)}" for lower in self.stack.below(layer)]
        return "\n".join(lines) + "\n"

    def _label(self, layer: Layer) -> str:
        state, name = self.states[layer.build_name], layer.build_name
        arrow = f" -> {state.install_target}" if state.install_target != name else ""
        return f"{' ' if state.is_valid else '*'} {name}{arrow}"

    def _remarks(self, layer: Layer) -> str:
        remarks = list((self.operations or {}).get(layer.build_name, ()))
        targets = [target for target in self.targets if target in layer.targets]
        if self.built is not None and (targets or not self.targets):
            remarks.append(self._built(self.built.get(layer.build_name, ()), targets))
        if self.targets and not targets:
            remarks.append(f"not for {', '.join(target.name for target in self.targets)}")
        return f"  ({', '.join(remarks)})" if remarks else ""

    @staticmethod
    def _built(built: Collection[str], targets: Collection[Target]) -> str:
        there = [target.name for target in targets if target.name in built]
        if not there:
            return "not built"
        return "built" if len(there) == len(targets) else f"built for {', '.join(there)}"

    def data(self) -> dict[str, Any]:
        """Give the same as data, with ``null`` for operations where none are asked about."""
        layers = {
            kind.table: [
                self._describe(layer) for layer in self.stack.of_kind(kind) if layer.build_name in self.layers
            ]
            for kind in LayerKind
        }
        return {"spec_name": self.stack.path.name, **layers}

    def _describe(self, layer: Layer) -> dict[str, Any]:
        state, operations = self.states[layer.build_name], self.operations
        data: dict[str, Any] = {
            "name": layer.build_name,
            "install_target": state.install_target,
            "has_valid_lock": state.is_valid,
            "platforms": [target.name for target in layer.targets],
            "selected_operations": None if operations is None else list(operations.get(layer.build_name, ())),
        }
        if layer.kind is not LayerKind.RUNTIME:
            data["dependencies"] = [self._describe(lower) for lower in self.stack.below(layer)]
        return data
