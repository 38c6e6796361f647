"""``venvstacks publish`` and ``venvstacks local-export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli.common import (
    open_project,
    print_json,
    print_plan,
    print_result,
    select,
    select_targets,
    shorten,
)
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from venvstacks.api.project import Project
    from venvstacks.definition.stack import Bytecode
    from venvstacks.manifests.manifest_format import ArchiveManifest
    from venvstacks.options import ExportSettings, Options, PublishSettings
    from venvstacks.publishing.outputs import Outputs


@click.command()
@option.output_dir("_artifacts")
@option.outputs
@option.archives
@option.updating
@option.cache_dir
@option.project
@option.collect(settings="PublishSettings")
def publish(
    *,
    spec: Path,
    settings: "PublishSettings",
    selection: option.Selection,
    bytecode: "Bytecode | None",
    showing: option.Showing,
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
    with open_project(spec, options, bytecode=bytecode) as project:
        results = _run(project, "publish", settings, selection, showing)
    print_published(results or (), showing)


@click.command(name="local-export")
@option.output_dir("_export")
@option.outputs
@option.updating
@option.project
@option.collect(settings="ExportSettings")
def local_export(
    *,
    spec: Path,
    settings: "ExportSettings",
    selection: option.Selection,
    bytecode: "Bytecode | None",
    showing: option.Showing,
    options: "Options",
) -> None:
    """Copy built layers into a folder, ready to run.

    On Linux and macOS the folder may be moved, renamed and made read-only: its applications need no installation.

    \b
    Example:
      venvstacks local-export --output-dir ~/trial && venvstacks run --from ~/trial hello
    """
    from venvstacks.options import in_definition  # noqa: PLC0415 - help must be quick

    with open_project(spec, options, bytecode=bytecode) as project:
        results = _run(project, "export", settings, selection, showing)
    if results is not None:
        layers = [layer for result in results for layer in result.layers]
        copied = sum(layer.created for layer in layers)
        folder = shorten(in_definition(project.stack, settings["output"]))
        print_result(f"{counted(len(layers), 'layer')} in {folder}, {copied} copied", err=showing.as_json)


def _run(
    project: "Project",
    step: Literal["publish", "export"],
    settings: "PublishSettings | ExportSettings",
    selection: option.Selection,
    showing: option.Showing,
) -> "tuple[Outputs[Any], ...] | None":
    """Carry out a step, or print its plan; None if nothing was done."""
    from venvstacks.options import in_definition  # noqa: PLC0415 - help must be quick
    from venvstacks.selection import extend_selection  # noqa: PLC0415

    stack = project.stack
    included = select(stack, selection.include, selection)
    dependencies, derived = bool(selection.publish_dependencies), selection.publish_derived
    wanted = extend_selection(stack, included, dependencies=dependencies, derived=derived)
    targets, chosen = select_targets(stack, wanted, selection)
    if print_plan(project, wanted, {step: chosen}, showing, targets) or not chosen:
        return None
    run = getattr(project.plan if showing.dry_run else project, step)
    found = run(include=chosen, platforms=selection.platforms, **settings)
    if not showing.dry_run:
        return tuple(found)
    if showing.as_json:
        manifests = {target.name: plan.as_json() for target, plan in zip(targets, found, strict=True)}
        print_json(manifests if len(targets) > 1 else manifests[targets[0].name])
    else:
        folder = in_definition(stack, settings["output"])
        for output in (output for plan in found for output in plan.layers):
            name = output.destination.relative_to(folder).as_posix()
            click.echo(f"{'keep' if output.is_kept else 'create'}  {name}  ({output.reason})")
            for delta, base in getattr(output, "deltas", {}).items():
                click.echo(f"delta  {delta}  (from {shorten(base.archive)}, if it is worth it)")
    return None


def print_published(results: "Iterable[Outputs[ArchiveManifest]]", showing: option.Showing) -> None:
    """Print the archives, as paths relative to the current folder where that is shorter."""
    for archive in (archive for result in results for archive in result.layers):
        size = size_text(archive.path.stat().st_size)
        state = "made" if archive.created else "unchanged"
        print_result(f"{shorten(archive.path)}  {size}  {state}", err=showing.as_json)
        for delta in archive.manifest.archive_deltas or ():
            path = archive.path.with_name(delta.name)
            print_result(f"{shorten(path)}  {size_text(delta.size)}  delta", err=showing.as_json)
