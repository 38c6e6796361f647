"""``venvstacks store verify`` and ``prune``: what is in a store beside signatures."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli import option_groups as option
from venvstacks.cli import signing
from venvstacks.cli.common import print_json, print_result, report_events
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from venvstacks.options import Options


@click.command()
@signing.store
@signing.root
@option.json
@option.jobs("Number of threads")
@option.verbosity
@option.collect(options="Options")
def verify(*, address: str, root: Path | None, as_json: bool, options: "Options") -> int:
    """Read everything in a store and compare it with what was signed.

    Signatures, release files, archives and their frames, indexes and deltas are compared with their hashes and
    with each other. The exit status is 1 if anything is missing, damaged or expired.

    \b
    Example:
      venvstacks store verify s3://example-bucket/app --root ROOT.json
    """
    with report_events(options) as how:
        report = venvstacks.verify_store(address, root=root, options=how)
    if as_json:
        print_json(report.as_json())
        return 1 if report.problems else 0
    for problem in report.problems:
        print_result(str(problem))
    releases, blobs = counted(report.releases, "release file"), counted(report.blobs, "blob")
    if report.problems:
        print_result(f"{counted(len(report.problems), 'problem')} in {report.store}.")
        print_result("Delete what is damaged from the store, and push its release again, with the same content.")
        return 1
    print_result(f"{report.store} is as it was signed: {releases}, {blobs} of {size_text(report.bytes)}.")
    return 0


@click.command()
@signing.store
@signing.keys
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    required=True,
    metavar="N",
    help="Number of the last releases that stay, beside those to which channels lead.",
)
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="DAYS",
    help="Only remove releases that were pushed so many days ago.",
)
@option.flag("--dry-run", help="Print what would be done without doing it.")
@option.json
@option.jobs("Number of threads")
@option.verbosity
@option.collect(options="Options")
def prune(
    *,
    address: str,
    keys_folder: Path,
    keep: int,
    older_than: float,
    dry_run: bool,
    as_json: bool,
    options: "Options",
) -> None:
    """Remove old releases, and the files that no release needs.

    Releases to which channels lead stay. Files are deleted when no release has needed them for a day, so that
    pushes can go on at the same time.

    \b
    Example:
      venvstacks store prune s3://example-bucket/app --keys ~/keys/app --keep 10 --older-than 90
    """
    with report_events(options) as how:
        if dry_run:
            plan = venvstacks.plan_store_pruning(
                address, keys=keys_folder, keep=keep, older_than=older_than, options=how
            )
        else:
            done = venvstacks.prune_store(
                address,
                keys=keys_folder,
                passphrase=functools.cache(signing.ask_passphrase),
                keep=keep,
                older_than=older_than,
                options=how,
            )
    found = plan if dry_run else done
    if as_json:
        print_json(found.as_json())
        return
    for version in found.versions:
        print_result(f"{'remove' if dry_run else 'removed'}  release {version}")
    count = len(plan.files) if dry_run else done.files
    print_result(f"{counted(count, 'file')} of {size_text(found.bytes)} {'to delete' if dry_run else 'deleted'}.")
