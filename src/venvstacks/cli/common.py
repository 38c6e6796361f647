"""What commands do before their own work: load, select, show."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from venvstacks.cli.console import print_warning, reporter
from venvstacks.cli.option_groups import Caching, Finding, Publishing, Selecting, Showing, Working, verbosity

if TYPE_CHECKING:
    from venvstacks.definition.stack import Bytecode, LocalRuntime, Stack
    from venvstacks.options import Options
    from venvstacks.platforms.targets import Target


def load(spec: Path, local_runtime: "LocalRuntime | None" = None, bytecode: "Bytecode | None" = None) -> "Stack":
    """Load a definition, and print its warnings."""
    from venvstacks.definition.loading import load_stack  # noqa: PLC0415 - help must be quick

    stack = load_stack(spec, local_runtime=local_runtime, bytecode=bytecode)
    for warning in stack.warnings:
        warn(warning)
    if not stack.layers:
        warn(f"{stack.path.name} defines no layers, so there is nothing to do.")
    return stack


def warn(message: str) -> None:
    """Print a warning, unless nothing but errors is wanted."""
    if verbosity() >= 0:
        print_warning(message)


def matched(stack: "Stack", patterns: Sequence[str], *, allow_missing: bool) -> frozenset[str]:
    """Return the build names that patterns match; all of them if there are no patterns."""
    from venvstacks.selection import matching  # noqa: PLC0415 - help must be quick

    if not patterns:
        return frozenset(layer.build_name for layer in stack.layers)
    names, warnings = matching(stack, patterns, allow_missing=allow_missing)
    for warning in warnings:
        warn(warning)
    return names


def published(stack: "Stack", selecting: Selecting, publishing: Publishing) -> frozenset[str]:
    """Return the build names of the layers whose outputs are wanted."""
    from venvstacks.selection import extended  # noqa: PLC0415 - help must be quick

    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    dependencies, derived = publishing.publish_dependencies, publishing.publish_derived
    return extended(stack, included, dependencies=bool(dependencies), derived=derived)


def made_for(
    stack: "Stack", names: frozenset[str], platforms: Sequence[str]
) -> tuple[tuple["Target", ...], frozenset[str]]:
    """Return the targets that are meant, and which of some layers are made for one of them."""
    from venvstacks.selection import selected_targets  # noqa: PLC0415 - help must be quick

    targets = selected_targets(stack, names, platforms)
    return targets, frozenset(name for name in names if not set(targets).isdisjoint(stack.layer(name).targets))


def matched_resets(
    stack: "Stack", patterns: Sequence[str], locked: frozenset[str], selecting: Selecting
) -> frozenset[str]:
    """Return the layers whose pins are forgotten: of those that may be locked, the ones that patterns match."""
    if not patterns:
        return frozenset()
    names = matched(stack, patterns, allow_missing=selecting.allow_missing)
    if names and names.isdisjoint(locked):
        warn(f"--reset-lock has no effect: none of its layers is locked ({', '.join(sorted(names))}).")
    return names & locked


def print_plan(
    stack: "Stack",
    selected: frozenset[str],
    steps: Mapping[str, frozenset[str]],
    showing: Showing,
    targets: "tuple[Target, ...]" = (),
) -> bool:
    """Print the selected layers and what is going to be done, if that is wanted."""
    if showing.show or showing.stops:
        from venvstacks.cli.tree import Tree  # noqa: PLC0415 - help must be quick
        from venvstacks.locking.states import lock_states  # noqa: PLC0415
        from venvstacks.status import StackStatus  # noqa: PLC0415

        operations = {
            layer.build_name: tuple(step for step, names in steps.items() if layer.build_name in names)
            for layer in stack.layers
        }
        status = StackStatus(stack, lock_states(stack), selected.union(*steps.values()), operations)
        if showing.as_json:
            print_json(status.as_json())
        else:
            click.echo(Tree(status, targets=targets).text(), nl=False)
    return showing.stops


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever json can encode
    """Print data, in UTF-8 whatever the terminal's encoding is."""
    from venvstacks.files import canonical_json  # noqa: PLC0415 - help must be quick

    click.echo(canonical_json(value).encode(), nl=False)


class _Plan(Protocol):
    def as_json(self) -> dict[str, Any]: ...


def by_platform(targets: "Sequence[Target]", plans: Sequence[_Plan]) -> dict[str, Any]:
    """Return plans as data: that of a single platform as it is, those of several under their names."""
    if len(plans) == 1:
        return plans[0].as_json()
    return {target.name: plan.as_json() for target, plan in zip(targets, plans, strict=True)}


def print_result(text: str, showing: Showing) -> None:
    """Print a result, unless nothing but errors is wanted; stdout is left to data where there is any."""
    if verbosity() >= 0:
        click.echo(text, err=showing.as_json)


def shown(path: Path) -> str:
    """Return a path for people: relative to the current folder if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def located(stack: "Stack", folder: Path) -> Path:
    """Return an option's folder, which is relative to the definition's."""
    return Path(os.path.normpath(stack.folder / folder.expanduser()))


@contextmanager
def options(
    working: Working,
    finding: Finding | None = None,
    caching: Caching | None = None,
    *,
    clean: bool = False,
    check_binaries: bool = True,
    strict: bool | None = None,
) -> Iterator["Options"]:
    """Return the API's options, with an observer for this terminal."""
    from venvstacks.options import Options  # noqa: PLC0415 - help must be quick
    from venvstacks.work import default_jobs  # noqa: PLC0415

    with reporter(verbosity()) as observe:
        yield Options(
            build_dir=working.build_dir,
            local_wheels=finding.local_wheels if finding else (),
            no_index=not finding.index if finding else False,
            check_binaries=check_binaries,
            strict=strict,
            cache_dir=caching.cache_dir if caching else None,
            clean=clean,
            wait=working.wait,
            jobs=working.jobs or default_jobs(),
            observe=observe,
        )
