"""``venvstacks lock``."""

from pathlib import Path

import click

import venvstacks
from venvstacks.cli.common import (
    load,
    matched,
    matched_resets,
    options,
    print_plan,
    print_result,
    shown,
)
from venvstacks.cli.option_groups import (
    Caching,
    Finding,
    Locking,
    Selecting,
    Showing,
    Working,
    cache_options,
    find_options,
    flag,
    lock_options,
    selection_options,
    show_options,
    spec_argument,
    verbosity_options,
    work_options,
)
from venvstacks.humanize import counted


@click.command()
@spec_argument
@flag("--if-needed", help="Keep locks that are valid.")
@flag("--clean", help="Discard the downloads of earlier runs.")
@selection_options
@lock_options
@find_options
@show_options
@cache_options
@work_options
@verbosity_options
def lock(
    *,
    spec: Path,
    if_needed: bool,
    clean: bool,
    selecting: Selecting,
    locking: Locking,
    finding: Finding,
    showing: Showing,
    caching: Caching,
    working: Working,
) -> None:
    """Lock layers for all their target platforms.

    Layers below an included one are locked if they have no valid lock; layers that depend on it are always locked
    again. Earlier versions are kept where they still satisfy the requirements, unless --reset-lock is given.

    \b
    Example:
      venvstacks lock --include 'framework-*' --reset-lock framework-torch
    """
    from venvstacks.selection import extended  # noqa: PLC0415

    stack = load(spec, finding.local_runtime)
    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    chosen = extended(stack, included, dependencies=bool(locking.lock_dependencies), derived=False)
    affected = extended(stack, chosen, dependencies=False, derived=True)
    reset = matched_resets(stack, locking.reset_lock, affected, selecting)
    plan = venvstacks.plan_locking(stack, include=chosen, reset=reset, if_needed=if_needed)
    resolved = frozenset(item.layer.build_name for item in plan.layers if item.resolve)
    steps = {"reset-lock": reset & resolved, "lock": resolved}
    if print_plan(stack, included, steps, showing) or not chosen:
        return
    with options(working, finding, caching, clean=clean) as how:
        locked = venvstacks.lock(stack, include=chosen, reset=reset, if_needed=if_needed, options=how)
    changed = sum(item.changed for item in locked)
    folder = shown(stack.requirements_folder)
    print_result(f"{counted(len(resolved), 'layer')} locked in {folder}, {changed} changed", showing)
