"""``venvstacks publish`` and ``venvstacks local-export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import venvstacks
from venvstacks.cli.common import (
    load,
    observed,
    print_json,
    print_plan,
    print_result,
    select,
    select_targets,
    shorten,
)
from venvstacks.cli.option_groups import (
    Selection,
    Showing,
    archive_options,
    cache_option,
    collected,
    output_dir_option,
    output_options,
    project_options,
    update_options,
)
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from venvstacks.api.project import ExportSettings, PublishSettings
    from venvstacks.definition.stack import Bytecode, Stack
    from venvstacks.manifests.manifest_format import ArchiveManifest
    from venvstacks.options import Options
    from venvstacks.platforms.targets import Target
    from venvstacks.publishing.outputs import OutputPlan, Outputs


@click.command()
@output_dir_option("_artifacts")
@output_options
@archive_options
@update_options
@cache_option
@project_options
@collected(settings="PublishSettings")
def publish(
    *,
    spec: Path,
    settings: "PublishSettings",
    selection: Selection,
    bytecode: "Bytecode | None",
    showing: Showing,
    options: "Options",
) -> None:
    """Create an archive of each built layer, and manifests.

    An archive is created again only if its inputs have changed, if it is missing, or with --force.

    A delta leads from an earlier to the new content of a layer, for `venvstacks patch`. It is kept only if it is
    at least a third smaller than the archive.

    \b
    Example:
      venvstacks publish --include 'app-*' --format tar.xz
      venvstacks publish --deltas 1 --delta-from ../release-1.0/_artifacts
    """
    from venvstacks.options import in_definition  # noqa: PLC0415 - help must be quick

    stack = load(spec, bytecode=bytecode)
    chosen, targets = _choose(stack, "publish", selection, showing)
    if not chosen:
        return
    platforms = selection.platforms
    with observed(options) as how, venvstacks.Project(stack, how) as project:
        if showing.dry_run:
            plans = project.plan.publish(include=chosen, platforms=platforms, **settings)
        else:
            results = project.publish(include=chosen, platforms=platforms, **settings)
    if not showing.dry_run:
        print_published(results, showing)
    elif showing.as_json:
        _print_manifests(targets, plans)
    else:
        folder = in_definition(stack, settings["output"])
        for archive in (archive for plan in plans for archive in plan.layers):
            name = archive.destination.relative_to(folder).as_posix()
            click.echo(f"{'keep' if archive.is_kept else 'create'}  {name}  ({archive.reason})")
            for delta, base in archive.deltas.items():
                click.echo(f"delta  {delta}  (from {shorten(base.archive)}, if it is worth it)")


@click.command(name="local-export")
@output_dir_option("_export")
@output_options
@update_options
@project_options
@collected(settings="ExportSettings")
def local_export(
    *,
    spec: Path,
    settings: "ExportSettings",
    selection: Selection,
    bytecode: "Bytecode | None",
    showing: Showing,
    options: "Options",
) -> None:
    """Copy built layers into a folder, ready to run.

    On Linux and macOS the folder may be moved, renamed and made read-only: its applications need no installation.

    \b
    Example:
      venvstacks local-export --output-dir ~/trial && venvstacks run --from ~/trial hello
    """
    from venvstacks.options import in_definition  # noqa: PLC0415 - help must be quick

    stack = load(spec, bytecode=bytecode)
    chosen, targets = _choose(stack, "export", selection, showing)
    if not chosen:
        return
    platforms = selection.platforms
    with observed(options) as how, venvstacks.Project(stack, how) as project:
        if showing.dry_run:
            plans = project.plan.export(include=chosen, platforms=platforms, **settings)
        else:
            results = project.export(include=chosen, platforms=platforms, **settings)
    folder = in_definition(stack, settings["output"])
    if not showing.dry_run:
        layers = [layer for result in results for layer in result.layers]
        copied = sum(layer.created for layer in layers)
        print_result(f"{counted(len(layers), 'layer')} in {shorten(folder)}, {copied} copied", err=showing.as_json)
    elif showing.as_json:
        _print_manifests(targets, plans)
    else:
        for export in (export for plan in plans for export in plan.layers):
            name = export.destination.relative_to(folder).as_posix()
            click.echo(f"{'keep' if export.is_kept else 'create'}  {name}  ({export.reason})")


def _choose(
    stack: "Stack", operation: str, selection: Selection, showing: Showing
) -> "tuple[frozenset[str], Sequence[Target]]":
    """Return the layers that are published or exported, and for which targets; none if printing them was all."""
    from venvstacks.selection import extend_selection  # noqa: PLC0415 - help must be quick

    included = select(stack, selection.include, selection)
    dependencies, derived = bool(selection.publish_dependencies), selection.publish_derived
    wanted = extend_selection(stack, included, dependencies=dependencies, derived=derived)
    targets, chosen = select_targets(stack, wanted, selection)
    stops = print_plan(stack, wanted, {operation: chosen}, showing, targets)
    return frozenset() if stops else chosen, targets


def _print_manifests(targets: "Sequence[Target]", plans: "Sequence[OutputPlan[Any]]") -> None:
    """Print the manifest that would be written; those of several platforms under their names."""
    manifests = [plan.as_json() for plan in plans]
    by_platform = zip((target.name for target in targets), manifests, strict=True)
    print_json(dict(by_platform) if len(plans) > 1 else manifests[0])


def print_published(results: "Iterable[Outputs[ArchiveManifest]]", showing: Showing) -> None:
    """Print the archives, as paths relative to the current folder where that is shorter."""
    for archive in (archive for result in results for archive in result.layers):
        size = size_text(archive.path.stat().st_size)
        state = "made" if archive.created else "unchanged"
        print_result(f"{shorten(archive.path)}  {size}  {state}", err=showing.as_json)
        for delta in archive.manifest.archive_deltas or ():
            path = archive.path.with_name(delta.name)
            print_result(f"{shorten(path)}  {size_text(delta.size)}  delta", err=showing.as_json)
