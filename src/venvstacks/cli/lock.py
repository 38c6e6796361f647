"""``venvstacks lock``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli.common import open_project, print_plan, print_result, select, select_resets, shorten
from venvstacks.humanize import counted

if TYPE_CHECKING:
    from venvstacks.definition.stack import LocalRuntime
    from venvstacks.options import Options


@click.command()
@option.flag("--if-needed", help="Keep locks that are valid.")
@option.flag("--clean", help="Discard the downloads of earlier runs.")
@option.locking
@option.sources
@option.cache_dir
@option.project
def lock(
    *,
    spec: Path,
    if_needed: bool,
    selection: option.Selection,
    local_runtime: "LocalRuntime | None",
    showing: option.Showing,
    options: "Options",
) -> None:
    """Lock layers for all their target platforms.

    Layers below an included one are locked if they have no valid lock; layers that depend on it are always locked
    again. Earlier versions are kept where they still satisfy the requirements, unless --reset-lock is given.

    \b
    Example:
      venvstacks lock --include 'framework-*' --reset-lock framework-torch
    """
    from venvstacks.selection import extend_selection  # noqa: PLC0415 - help must be quick

    with open_project(spec, options, local_runtime) as project:
        stack = project.stack
        included = select(stack, selection.include, selection)
        chosen = extend_selection(stack, included, dependencies=bool(selection.lock_dependencies), derived=False)
        affected = extend_selection(stack, chosen, dependencies=False, derived=True)
        reset = select_resets(stack, selection, affected)
        plan = project.plan.lock(include=chosen, reset=reset, if_needed=if_needed)
        steps = {"reset-lock": plan.forget_pins, "lock": plan.resolve}
        if print_plan(project, included, steps, showing) or not chosen:
            return
        locked = project.lock(include=chosen, reset=reset, if_needed=if_needed)
    changed = sum(item.changed for item in locked)
    folder = shorten(stack.requirements_folder)
    print_result(
        f"{counted(len(plan.resolve), 'layer')} locked in {folder}, {changed} changed", err=showing.as_json
    )
