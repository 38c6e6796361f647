"""C3 linearisation: Python's own method resolution order, for anything hashable."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


class InconsistentOrderError(ValueError):
    """Sequences that contradict each other.

    Attributes:
        sequences: What was left to merge when no item could come next.
    """

    def __init__(self, sequences: tuple[tuple[Hashable, ...], ...]) -> None:
        super().__init__(f"no common order of {sequences}")
        self.sequences = sequences


def linearise(bases: Sequence[Item], linearisations: Mapping[Item, Sequence[Item]]) -> tuple[Item, ...]:
    """Bring everything below an item into one order."""
    return merge([*((base, *linearisations[base]) for base in bases), tuple(bases)])


def merge(sequences: Sequence[Sequence[Item]]) -> tuple[Item, ...]:
    """Merge sequences into one that keeps the order of each."""
    left = [tuple(sequence) for sequence in sequences if sequence]
    merged: list[Item] = []
    while left:
        behind = {item for sequence in left for item in sequence[1:]}
        head = next((sequence[0] for sequence in left if sequence[0] not in behind), None)
        if head is None:
            raise InconsistentOrderError(tuple(dict.fromkeys(left)))
        merged.append(head)
        shorter = (sequence[1:] if sequence[0] == head else sequence for sequence in left)
        left = [sequence for sequence in shorter if sequence]
    return tuple(merged)
