"""``venvstacks publish``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli.common import (
    by_platform,
    gathered,
    load,
    located,
    made_for,
    matched,
    options,
    print_json,
    print_plan,
    print_result,
    shown,
)
from venvstacks.cli.options import (
    Archiving,
    Publishing,
    Selecting,
    Showing,
    Updating,
    Working,
    archive_options,
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
from venvstacks.wording import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from venvstacks.publishing.publish import PublishResult
    from venvstacks.spec.model import Bytecode


@click.command()
@spec_argument
@output_dir_option("_artifacts")
@selection_options
@platform_option
@bytecode_option
@publish_options
@archive_options
@update_options
@show_options
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
    updating: Updating,
    showing: Showing,
    working: Working,
) -> None:
    """Make an archive of each built layer, and the manifests that describe them.

    An archive is made again only if its inputs have changed, if it is gone, or with --force.

    \b
    Example:
      venvstacks publish --include 'app-*' --format tar.xz
    """
    from venvstacks import api  # noqa: PLC0415 - help must be quick
    from venvstacks.archives.formats import ArchiveFormat  # noqa: PLC0415
    from venvstacks.publishing.plan import PublishOptions  # noqa: PLC0415
    from venvstacks.selection import extended  # noqa: PLC0415

    stack = load(spec, bytecode=bytecode)
    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    chosen = extended(
        stack, included, dependencies=publishing.publish_dependencies, derived=publishing.publish_derived
    )
    targets, made = made_for(stack, chosen, platforms)
    if print_plan(stack, gathered(stack, publish=made), showing.beside(updating), targets) or not chosen:
        return
    settings = PublishOptions(
        output_dir,
        ArchiveFormat(archiving.archive_format),
        archiving.compression_level,
        archiving.tag_outputs,
        updating.force,
    )
    with options(stack, working) as how:
        if updating.dry_run:
            plans = api.plan_publication(stack, settings, include=chosen, platforms=platforms, options=how)
        else:
            results = api.publish(stack, settings, include=chosen, platforms=platforms, options=how)
    if not updating.dry_run:
        print_published(results, showing)
    elif showing.as_json:
        print_json(by_platform(targets, plans))
    else:
        for archive in (archive for plan in plans for archive in plan.archives):
            name = archive.destination.relative_to(located(stack, output_dir)).as_posix()
            click.echo(f"{archive.action}  {name}  ({archive.reason})")


def print_published(results: "Iterable[PublishResult]", showing: Showing) -> None:
    """Print the archives, as paths relative to the current folder where that is shorter."""
    for archive in (archive for result in results for archive in result.archives):
        size = size_text(archive.path.stat().st_size)
        state = "made" if archive.created else "unchanged"
        print_result(f"{shown(archive.path)}  {size}  {state}", showing)
