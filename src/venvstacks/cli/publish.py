"""``venvstacks publish``."""

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
    Archiving,
    Caching,
    Publishing,
    Selecting,
    Showing,
    Updates,
    Updating,
    Working,
    archive_options,
    bytecode_option,
    cache_options,
    delta_options,
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
from venvstacks.humanize import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from venvstacks.definition.stack import Bytecode
    from venvstacks.publishing.publication import PublishResult
    from venvstacks.publishing.publish_plan import PublishOptions


@click.command()
@spec_argument
@output_dir_option("_artifacts")
@selection_options
@platform_option
@bytecode_option
@publish_options
@archive_options
@delta_options
@update_options
@show_options
@cache_options
@work_options
@verbosity_options
def publish(
    *,
    spec: Path,
    output_dir: Path,
    selecting: Selecting,
    platforms: tuple[str, ...],
    bytecode: "Bytecode | None",
    publishing: Publishing,
    archiving: Archiving,
    updates: Updates,
    updating: Updating,
    showing: Showing,
    caching: Caching,
    working: Working,
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
    stack = load(spec, bytecode=bytecode)
    chosen = published(stack, selecting, publishing)
    targets, made = made_for(stack, chosen, platforms)
    if print_plan(stack, chosen, {"publish": made}, showing.beside(updating), targets) or not chosen:
        return
    settings = publish_settings(output_dir, archiving, updates, force=updating.force)
    with options(working, caching=caching) as how:
        if updating.dry_run:
            plans = venvstacks.plan_publication(stack, settings, include=chosen, platforms=platforms, options=how)
        else:
            results = venvstacks.publish(stack, settings, include=chosen, platforms=platforms, options=how)
    if not updating.dry_run:
        print_published(results, showing)
    elif showing.as_json:
        print_json(by_platform(targets, plans))
    else:
        for archive in (archive for plan in plans for archive in plan.archives):
            name = archive.destination.relative_to(located(stack, output_dir)).as_posix()
            click.echo(f"{archive.action}  {name}  ({archive.reason})")
            for delta, base in archive.deltas.items():
                click.echo(f"delta  {delta}  (from {shown(base.archive)}, if it is worth it)")


def publish_settings(
    output_dir: Path, archiving: Archiving, updates: Updates, *, force: bool = False
) -> "PublishOptions":
    """Return the API's settings for what options say."""
    from venvstacks.archives.formats import ArchiveFormat, Compression  # noqa: PLC0415 - help must be quick
    from venvstacks.publishing.publish_plan import PublishOptions  # noqa: PLC0415

    return PublishOptions(
        output_dir,
        ArchiveFormat(archiving.archive_format) if archiving.archive_format else None,
        archiving.compression_level,
        archiving.tag_outputs,
        force,
        Compression(archiving.compression) if archiving.compression else None,
        updates.delta_from,
        updates.deltas,
    )


def print_published(results: "Iterable[PublishResult]", showing: Showing) -> None:
    """Print the archives, as paths relative to the current folder where that is shorter."""
    for archive in (archive for result in results for archive in result.archives):
        size = size_text(archive.path.stat().st_size)
        state = "made" if archive.created else "unchanged"
        print_result(f"{shown(archive.path)}  {size}  {state}", showing)
        for delta in archive.manifest.archive_deltas or ():
            print_result(f"{shown(archive.path.with_name(delta.name))}  {size_text(delta.size)}  delta", showing)
