"""``venvstacks lock``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli.common import load, observed, print_plan, print_result, select, select_resets, shorten
from venvstacks.cli.option_groups import (
    Selection,
    Showing,
    cache_option,
    find_options,
    flag,
    lock_options,
    project_options,
)
from venvstacks.humanize import counted

if TYPE_CHECKING:
    from venvstacks.definition.stack import LocalRuntime
    from venvstacks.options import Options


@click.command()
@flag("--if-needed", help="Keep locks that are valid.")
@flag("--clean", help="Discard the downloads of earlier runs.")
@lock_options
@find_options
@cache_option
@project_options
def lock(
    *,
    spec: Path,
    if_needed: bool,
    selection: Selection,
    local_runtime: "LocalRuntime | None",
    showing: Showing,
    options: "Options",
) -> None:
    """Lock layers for all their target platforms.

    Layers below an included one are locked if they have no valid lock; layers that depend on it are always locked
    again. Earlier versions are kept where they still satisfy the requirements, unless --reset-lock is given.

    \b
    Example:
      venvstacks lock --include 'framework-*' --reset-lock framework-torch
    """
    from venvstacks.selection import extend_selection  # noqa: PLC0415

    stack = load(spec, local_runtime)
    included = select(stack, selection.include, selection)
    chosen = extend_selection(stack, included, dependencies=bool(selection.lock_dependencies), derived=False)
    affected = extend_selection(stack, chosen, dependencies=False, derived=True)
    reset = select_resets(stack, selection, affected)
    plan = venvstacks.plan_locking(stack, include=chosen, reset=reset, if_needed=if_needed)
    steps = {"reset-lock": plan.forget_pins, "lock": plan.resolve}
    if print_plan(stack, included, steps, showing) or not chosen:
        return
    with observed(options) as how:
        locked = venvstacks.lock(stack, include=chosen, reset=reset, if_needed=if_needed, options=how)
    changed = sum(item.changed for item in locked)
    folder = shorten(stack.requirements_folder)
    print_result(
        f"{counted(len(plan.resolve), 'layer')} locked in {folder}, {changed} changed", err=showing.as_json
    )
