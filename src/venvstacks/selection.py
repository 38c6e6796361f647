"""Which layers an operation is for."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from venvstacks.errors import UsageError
from venvstacks.spec.model import Stack


def matching(
    stack: Stack, patterns: Sequence[str], *, allow_missing: bool = False
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Find the layers whose build names match patterns.

    Args:
        stack: The stack.
        patterns: As for :mod:`fnmatch`; upper and lower case count.
        allow_missing: Whether a pattern may match nothing.

    Returns:
        Build names, and a warning for each pattern that matches nothing.

    Raises:
        UsageError: A pattern matches nothing, and that is not allowed.
    """
    names = [layer.build_name for layer in stack.layers]
    idle = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    messages = tuple(f"No layer's build name matches {pattern!r}." for pattern in idle)
    if messages and not allow_missing:
        raise UsageError(
            " ".join(messages),
            hint=f"the build names are: {', '.join(names)}; --allow-missing makes this a warning",
        )
    return frozenset(n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)), messages


def extended(stack: Stack, names: Iterable[str], *, dependencies: bool, derived: bool) -> frozenset[str]:
    """Add the layers below or above some layers.

    Args:
        stack: The stack.
        names: Build names.
        dependencies: Whether to add what they stand on.
        derived: Whether to add what stands on them.
    """
    chosen = set(names)
    result = set(chosen)
    for layer in stack.layers:
        if dependencies and layer.build_name in chosen:
            result.update(layer.below)
        if derived and chosen & set(layer.below):
            result.add(layer.build_name)
    return frozenset(result)
