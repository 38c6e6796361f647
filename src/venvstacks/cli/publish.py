"""``venvstacks publish``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli.common import gathered, load, matched, options, print_json, print_plan, print_result, shown
from venvstacks.cli.options import (
    Archiving,
    Caching,
    Publishing,
    Selecting,
    Showing,
    Updating,
    Working,
    archive_options,
    cache_options,
    output_dir_option,
    publish_options,
    selection_options,
    show_options,
    spec_argument,
    update_options,
    verbosity_options,
    work_options,
)
from venvstacks.wording import size_text

if TYPE_CHECKING:
    from venvstacks.publishing.plan import PublishOptions
    from venvstacks.publishing.publish import PublishResult


@click.command()
@spec_argument
@output_dir_option("_artifacts")
@selection_options
@publish_options
@archive_options
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
    publishing: Publishing,
    archiving: Archiving,
    updating: Updating,
    showing: Showing,
    caching: Caching,
    working: Working,
) -> None:
    """Make an archive of each built layer, and the manifests that describe them.

    An archive is made again only if its inputs have changed, if it is gone, or with --force.

    \b
    Example:
      venvstacks publish --include 'app-*' --format tar.xz
    """
    from venvstacks import api  # noqa: PLC0415 - help must be quick
    from venvstacks.selection import extended  # noqa: PLC0415

    stack = load(spec)
    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    chosen = extended(
        stack, included, dependencies=publishing.publish_dependencies, derived=publishing.publish_derived
    )
    if print_plan(stack, gathered(stack, publish=chosen), showing.beside(updating)) or not chosen:
        return
    settings = publish_settings(output_dir, archiving, force=updating.force)
    with options(working, caching=caching) as how:
        if updating.dry_run:
            plan = api.plan_publication(stack, settings, include=chosen, options=how)
        else:
            result = api.publish(stack, settings, include=chosen, options=how)
    if not updating.dry_run:
        print_published(result, showing)
    elif showing.as_json:
        print_json(plan.as_json())
    else:
        for archive in plan.archives:
            click.echo(f"{archive.action}  {archive.destination.name}  ({archive.reason})")


def publish_settings(output_dir: Path, archiving: Archiving, *, force: bool = False) -> "PublishOptions":
    """Give the API's settings for what options say."""
    from venvstacks.archives.formats import ArchiveFormat, Compression  # noqa: PLC0415 - help must be quick
    from venvstacks.publishing.plan import PublishOptions  # noqa: PLC0415

    return PublishOptions(
        output_dir,
        ArchiveFormat(archiving.archive_format),
        archiving.compression_level,
        archiving.tag_outputs,
        force,
        Compression(archiving.compression) if archiving.compression else None,
    )


def print_published(result: "PublishResult", showing: Showing) -> None:
    """Print the archives, as paths relative to the current folder where that is shorter."""
    for archive in result.archives:
        size = size_text(archive.path.stat().st_size)
        state = "made" if archive.created else "unchanged"
        print_result(f"{shown(archive.path)}  {size}  {state}", showing)
