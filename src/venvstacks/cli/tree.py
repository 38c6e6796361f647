"""A stack as a tree for people."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from venvstacks.definition.stack import Layer
from venvstacks.platforms.targets import Target
from venvstacks.status import StackStatus


@dataclass(frozen=True, slots=True)
class Tree:
    """How a stack is drawn.

    Attributes:
        status: What is known of it.
        built: Build name -> names of the targets for which the layer stands in the build folder; None if that is
            not asked for.
        targets: What is asked about; layers that are made for none of these are marked. Empty for all targets.
    """

    status: StackStatus
    built: Mapping[str, Collection[str]] | None = None
    targets: tuple[Target, ...] = ()

    def text(self) -> str:
        """Draw kinds, layers, and under each layer what it stands on, in path order."""
        lines = [self.status.stack.path.name]
        for kind, layers in self.status.by_kind.items():
            if layers:
                lines.append(f"  {kind.table}")
            for layer in layers:
                lines.append(f"    {self._label(layer)}{self._remarks(layer)}")
                lines += [f"        {self._label(lower)}" for lower in self.status.stack.below(layer)]
        return "\n".join(lines) + "\n"

    def _label(self, layer: Layer) -> str:
        lock, name = self.status.locks[layer.build_name], layer.build_name
        arrow = f" -> {lock.install_target}" if lock.install_target != name else ""
        return f"{' ' if lock.is_valid else '*'} {name}{arrow}"

    def _remarks(self, layer: Layer) -> str:
        remarks = list((self.status.operations or {}).get(layer.build_name, ()))
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
