"""``venvstacks local-export``."""

from pathlib import Path

import click

from venvstacks.cli.common import gathered, load, matched, options, print_json, print_plan, print_result, shown
from venvstacks.cli.options import (
    Publishing,
    Selecting,
    Showing,
    Updating,
    Working,
    output_dir_option,
    publish_options,
    selection_options,
    show_options,
    spec_argument,
    update_options,
    verbosity_options,
    work_options,
)
from venvstacks.wording import counted


@click.command(name="local-export")
@spec_argument
@output_dir_option("_export")
@selection_options
@publish_options
@update_options
@show_options
@work_options
@verbosity_options
def local_export(
    *,
    spec: Path,
    output_dir: Path,
    selecting: Selecting,
    publishing: Publishing,
    updating: Updating,
    showing: Showing,
    working: Working,
) -> None:
    """Copy built layers side by side into a folder, ready to run.

    On Linux and macOS the folder may be moved, renamed and made read-only: the applications run as they lie.

    \b
    Example:
      venvstacks local-export --output-dir ~/trial && venvstacks run --from ~/trial hello
    """
    from venvstacks import api  # noqa: PLC0415 - help must be quick
    from venvstacks.publishing.export_plan import ExportOptions  # noqa: PLC0415
    from venvstacks.selection import extended  # noqa: PLC0415

    stack = load(spec)
    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    chosen = extended(
        stack, included, dependencies=publishing.publish_dependencies, derived=publishing.publish_derived
    )
    if print_plan(stack, gathered(stack, export=chosen), showing.beside(updating)) or not chosen:
        return
    settings = ExportOptions(output_dir, updating.force)
    with options(working) as how:
        if updating.dry_run:
            plan = api.plan_exporting(stack, settings, include=chosen, options=how)
        else:
            result = api.export(stack, settings, include=chosen, options=how)
    if not updating.dry_run:
        made = sum(layer.created for layer in result.layers)
        folder = shown(result.manifest_path.parent.parent)
        print_result(f"{counted(len(result.layers), 'layer')} in {folder}, {made} copied", showing)
    elif showing.as_json:
        print_json(plan.as_json())
    else:
        for export in plan.exports:
            click.echo(f"{export.action}  {export.destination.name}  ({export.reason})")
