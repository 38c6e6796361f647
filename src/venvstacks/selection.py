"""Which layers an operation is for, and on which platforms."""

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from venvstacks.definition.stack import Stack
from venvstacks.definition.target_settings import which_target
from venvstacks.errors import UsageError, require_collection
from venvstacks.humanize import quoted
from venvstacks.platforms.targets import TARGETS, Target, host_target

HOST = "host"
ALL = "all"
PLATFORM_WORDS = (HOST, ALL)
"""What may stand for a platform's name: this machine's own, and all that some layer is made for."""


def match_layers(
    stack: Stack, patterns: Sequence[str], *, allow_missing: bool = False
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Find the layers whose build names match patterns."""
    names = [layer.build_name for layer in stack.layers]
    idle = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    messages = tuple(f"No layer's build name matches {pattern!r}." for pattern in idle)
    if messages and not allow_missing:
        raise UsageError(
            " ".join(messages),
            hint=f"the build names are: {', '.join(names)}; --allow-missing makes this a warning",
        )
    return frozenset(n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)), messages


def choose_layers(stack: Stack, include: Collection[str] | None, parameter: str = "include") -> frozenset[str]:
    """Check build names, which a parameter of this name has, and return them; those of all layers for None."""
    require_collection(**{parameter: include})
    names = frozenset(layer.build_name for layer in stack.layers)
    chosen = names if include is None else frozenset(include)
    if unknown := sorted(chosen - names):
        hint = f"the build names are: {', '.join(sorted(names))}; venvstacks.select finds layers by patterns"
        raise UsageError(f"There is no layer with the build name {', '.join(map(repr, unknown))}.", hint=hint)
    return chosen


def extend_selection(stack: Stack, names: Iterable[str], *, dependencies: bool, derived: bool) -> frozenset[str]:
    """Add the layers below or above some layers."""
    chosen = set(names)
    result = set(chosen)
    for layer in stack.layers:
        if dependencies and layer.build_name in chosen:
            result.update(layer.below)
        if derived and chosen & set(layer.below):
            result.add(layer.build_name)
    return frozenset(result)


def choose_targets(stack: Stack, chosen: Collection[str], platforms: Collection[str]) -> tuple[Target, ...]:
    """Find the targets that an operation on some layers is for."""
    require_collection(platforms=platforms)
    layers = stack.named(chosen)
    found: set[Target] = set()
    for name in platforms:
        if name == ALL:
            found.update(target for layer in layers for target in layer.targets)
            continue
        target = host_target() if name == HOST else TARGETS.get(name)
        if target is None:
            hint = which_target(name, PLATFORM_WORDS)
            raise UsageError(f"{quoted(name)} is not a target platform.", hint=hint)
        if layers and not any(target in layer.targets for layer in layers):
            raise _made_for_others(target, {target.name for layer in layers for target in layer.targets})
        found.add(target)
    if layers and not platforms:
        raise UsageError("No platform is named.", hint=f"name target platforms, {HOST!r} or {ALL!r}")
    if layers and not found:
        raise UsageError("None of the selected layers supports any platform.", hint="see their `platforms`")
    return tuple(sorted(found))


def _made_for_others(target: Target, others: Collection[str]) -> UsageError:
    where = f"this machine's platform, {target.name}" if target == host_target() else target.name
    hint = f"they support {', '.join(sorted(others))}: choose with --platform" if others else None
    return UsageError(f"None of the selected layers supports {where}.", hint=hint)
