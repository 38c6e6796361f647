"""What a build script calls to choose layers, and to learn how things are."""

from collections.abc import Collection, Sequence

from venvstacks.builds import chosen_layers
from venvstacks.definition.stack import Stack
from venvstacks.errors import require_collection
from venvstacks.locking.states import lock_states
from venvstacks.selection import extended, matching
from venvstacks.status import StackStatus


def select(
    stack: Stack,
    patterns: Sequence[str],
    *,
    dependencies: bool = False,
    derived: bool = False,
    allow_missing: bool = False,
) -> frozenset[str]:
    """Find layers by patterns, as ``--include`` does.

    Args:
        stack: The stack.
        patterns: For build names, as for :mod:`fnmatch`: ``["app-*", "framework-http"]``.
        dependencies: Whether to add the layers below these.
        derived: Whether to add the layers on top of these.
        allow_missing: Whether a pattern may match nothing.

    Returns:
        Build names, for the ``include`` of other functions.

    Raises:
        UsageError: A pattern matches nothing, and that is not allowed.
    """
    require_collection(patterns=patterns)
    names, _ = matching(stack, patterns, allow_missing=allow_missing)
    return extended(stack, names, dependencies=dependencies, derived=derived)


def stack_status(stack: Stack, *, include: Collection[str] | None = None) -> StackStatus:
    """Return how the layers of a stack stand on each other, and whether their locks are valid.

    Args:
        stack: The stack.
        include: Build names of layers; these, what they depend on, and what depends on them are told of. All
            layers by default.

    Returns:
        What ``venvstacks show`` tells; :meth:`StackStatus.as_json` gives what ``venvstacks show --json`` prints.
    """
    chosen = extended(stack, chosen_layers(stack, include), dependencies=True, derived=True)
    return StackStatus(stack, lock_states(stack), chosen)
