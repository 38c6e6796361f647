"""``venvstacks local-export``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli.common import (
    by_platform,
    load,
    located,
    made_for,
    options,
    print_json,
    print_plan,
    print_result,
    published,
    shown,
)
from venvstacks.cli.option_groups import (
    Publishing,
    Selecting,
    Showing,
    Updating,
    Working,
    bytecode_option,
    output_dir_option,
    platform_option,
    publish_options,
    selection_options,
    show_options,
    spec_argument,
    update_options,
    verbosity_options,
    work_options,
)
from venvstacks.humanize import counted

if TYPE_CHECKING:
    from venvstacks.definition.stack import Bytecode


@click.command(name="local-export")
@spec_argument
@output_dir_option("_export")
@selection_options
@platform_option
@bytecode_option
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
    platforms: tuple[str, ...],
    bytecode: "Bytecode | None",
    publishing: Publishing,
    updating: Updating,
    showing: Showing,
    working: Working,
) -> None:
    """Copy built layers into a folder, ready to run.

    On Linux and macOS the folder may be moved, renamed and made read-only: its applications need no installation.

    \b
    Example:
      venvstacks local-export --output-dir ~/trial && venvstacks run --from ~/trial hello
    """
    from venvstacks.publishing.export_plan import ExportOptions  # noqa: PLC0415

    stack = load(spec, bytecode=bytecode)
    chosen = published(stack, selecting, publishing)
    targets, made = made_for(stack, chosen, platforms)
    if print_plan(stack, chosen, {"export": made}, showing.beside(updating), targets) or not chosen:
        return
    settings = ExportOptions(output_dir, updating.force)
    with options(working) as how:
        if updating.dry_run:
            plans = venvstacks.plan_exporting(stack, settings, include=chosen, platforms=platforms, options=how)
        else:
            results = venvstacks.export(stack, settings, include=chosen, platforms=platforms, options=how)
    folder = located(stack, output_dir)
    if not updating.dry_run:
        layers = [layer for result in results for layer in result.layers]
        copied = sum(layer.created for layer in layers)
        print_result(f"{counted(len(layers), 'layer')} in {shown(folder)}, {copied} copied", showing)
    elif showing.as_json:
        print_json(by_platform(targets, plans))
    else:
        for export in (export for plan in plans for export in plan.exports):
            name = export.destination.relative_to(folder).as_posix()
            click.echo(f"{export.action}  {name}  ({export.reason})")
