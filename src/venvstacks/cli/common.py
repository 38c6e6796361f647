"""What commands do before and after their own work: load, select, show."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import venvstacks
from venvstacks.cli import option_groups as option
from venvstacks.cli.console import print_warning, reporter
from venvstacks.events import Event

if TYPE_CHECKING:
    from venvstacks.api.project import Project
    from venvstacks.definition.stack import Bytecode, Layer, LocalRuntime, Stack
    from venvstacks.options import Options
    from venvstacks.platforms.targets import Target
    from venvstacks.status import StackStatus


def load(spec: Path, local_runtime: "LocalRuntime | None" = None, bytecode: "Bytecode | None" = None) -> "Stack":
    """Load a definition, and print its warnings."""
    from venvstacks.definition.loading import load_stack  # noqa: PLC0415 - help must be quick

    stack = load_stack(spec, local_runtime=local_runtime, bytecode=bytecode)
    for warning in stack.warnings:
        warn(warning)
    if not stack.layers:
        warn(f"{stack.path.name} defines no layers, so there is nothing to do.")
    return stack


@contextmanager
def report_events(options: "Options") -> Iterator["Options"]:
    """Return options whose observer draws on this terminal, and passes events on to the one that they have."""
    with reporter(option.get_verbosity()) as draw:

        def observe(event: Event) -> None:
            draw(event)
            options.observe(event)

        yield replace(options, observe=observe)


@contextmanager
def open_project(
    spec: Path,
    options: "Options",
    local_runtime: "LocalRuntime | None" = None,
    bytecode: "Bytecode | None" = None,
) -> Iterator["Project"]:
    """Load a definition, print its warnings, and draw what is done on this terminal."""
    stack = load(spec, local_runtime, bytecode)
    with report_events(options) as how, venvstacks.Project(stack, how) as project:
        yield project


def warn(message: str) -> None:
    """Print a warning, unless only errors are wanted."""
    if option.get_verbosity() >= 0:
        print_warning(message)


def select(stack: "Stack", patterns: Sequence[str], selection: option.Selection) -> frozenset[str]:
    """Return the build names that patterns match; all of them if there are no patterns."""
    from venvstacks.selection import match_layers  # noqa: PLC0415 - help must be quick

    if not patterns:
        return frozenset(layer.build_name for layer in stack.layers)
    names, warnings = match_layers(stack, patterns, allow_missing=selection.allow_missing)
    for warning in warnings:
        warn(warning)
    return names


def select_resets(stack: "Stack", selection: option.Selection, locked: frozenset[str]) -> frozenset[str]:
    """Return the layers that --reset-lock matches, of those that may be locked."""
    if not selection.reset_lock:
        return frozenset()
    names = select(stack, selection.reset_lock, selection)
    if names and names.isdisjoint(locked):
        warn(f"--reset-lock has no effect: none of its layers is locked ({', '.join(sorted(names))}).")
    return names & locked


def select_targets(
    stack: "Stack", names: frozenset[str], selection: option.Selection
) -> tuple[tuple["Target", ...], frozenset[str]]:
    """Return the targets that are meant, and which of some layers are for one of them."""
    from venvstacks.selection import choose_targets  # noqa: PLC0415 - help must be quick

    targets = choose_targets(stack, names, selection.platforms)
    return targets, frozenset(name for name in names if not set(targets).isdisjoint(stack.layer(name).targets))


def print_plan(
    project: "Project",
    selected: frozenset[str],
    steps: Mapping[str, frozenset[str]],
    showing: option.Showing,
    targets: "Sequence[Target]" = (),
) -> bool:
    """Print the selected layers and what is going to be done, if that is wanted; return whether to stop then.

    The steps (operation -> build names) are those that are carried out next.
    """
    if showing.prints_layers:
        from venvstacks.status import StackStatus  # noqa: PLC0415 - help must be quick

        stack, states = project.stack, project.builds.states
        operations = {
            layer.build_name: tuple(step for step, names in steps.items() if layer.build_name in names)
            for layer in stack.layers
        }
        status = StackStatus(stack, states, selected.union(*steps.values()), operations)
        if showing.as_json:
            print_json(status.as_json())
        else:
            print_tree(draw_stack(status, targets=targets))
    return showing.stops


def draw_stack(
    status: "StackStatus", targets: "Sequence[Target]" = (), built: Mapping[str, Collection[str]] | None = None
) -> Iterator[str]:
    """Draw kinds, layers, and below each layer what it depends on, in path order.

    Layers for none of the targets are marked, if there are any targets; so are those that are built (build
    name -> names of targets), if that is known.
    """

    def label(layer: "Layer") -> str:
        lock, name = status.locks[layer.build_name], layer.build_name
        arrow = f" -> {lock.install_target}" if lock.install_target != name else ""
        return f"{' ' if lock.is_valid else '*'} {name}{arrow}"

    def remarks(layer: "Layer") -> Iterator[str]:
        yield from (status.operations or {}).get(layer.build_name, ())
        wanted = [target.name for target in targets if target in layer.targets]
        if built is not None and (wanted or not targets):
            there = [name for name in wanted if name in built.get(layer.build_name, ())]
            yield (
                f"built for {', '.join(there)}"
                if 0 < len(there) < len(wanted)
                else "built"
                if there
                else "not built"
            )
        if targets and not wanted:
            yield f"not for {', '.join(target.name for target in targets)}"

    yield status.stack.path.name
    for kind, layers in status.by_kind.items():
        if layers:
            yield f"  {kind.table}"
        for layer in layers:
            remarked = ", ".join(remarks(layer))
            yield f"    {label(layer)}" + (f"  ({remarked})" if remarked else "")
            yield from (f"        {label(lower)}" for lower in status.stack.below(layer))


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever json can encode
    """Print data, in UTF-8 whatever the terminal's encoding is."""
    from venvstacks.files import canonical_json  # noqa: PLC0415 - help must be quick

    click.echo(canonical_json(value).encode(), nl=False)


def print_tree(lines: Iterable[str]) -> None:
    """Print lines in one piece."""
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


def print_result(text: str, *, err: bool = False) -> None:
    """Print a result, unless only errors are wanted; to stderr where stdout is left to data."""
    if option.get_verbosity() >= 0:
        click.echo(text, err=err)


def shorten(path: Path) -> str:
    """Return a path for people: relative to the current folder if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
