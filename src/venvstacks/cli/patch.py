"""``venvstacks patch``."""

from pathlib import Path

import click

from venvstacks.cli.common import print_json, shown
from venvstacks.cli.console import reporter
from venvstacks.cli.option_groups import FOLDER, flag, jobs_option, json_option, verbosity, verbosity_options
from venvstacks.humanize import size_text


@click.command()
@click.argument("old", metavar="OLD_DIR", type=FOLDER)
@click.argument("delta", metavar="DELTA", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "folder",
    type=FOLDER,
    required=True,
    metavar="NEW_DIR",
    help="Folder to create for the new layer; must not exist.",
)
@flag("--dry-run", help="Check the delta and print what would be done without doing it.")
@json_option
@jobs_option("Number of threads")
@verbosity_options
def patch(*, old: Path, delta: Path, folder: Path, dry_run: bool, as_json: bool, jobs: int | None) -> None:
    """Create a new layer's folder from an old one and a delta.

    OLD_DIR is the folder that the old archive was unpacked into. It is not changed, and may contain other files.
    NEW_DIR is created with the content of the new archive: each file is verified, and the folder appears when it
    is complete. If a file of OLD_DIR is not the published one, the command fails: use the whole archive then.

    \b
    Example:
      venvstacks patch deployed/app-iris app-iris.from-0123456789abcdef.vdelta --to staging/app-iris
    """
    # no build tools: this is what target machines run
    from venvstacks.deltas.patch_plan import plan_patch, run_patch  # noqa: PLC0415 - help must be quick
    from venvstacks.work import Work, default_jobs  # noqa: PLC0415

    plan = plan_patch(*(path.expanduser().absolute() for path in (old, delta, folder)))
    if not dry_run:
        with reporter(verbosity()) as observe:
            work = Work(observe, jobs or default_jobs())
            try:
                run_patch(plan, work)
            finally:
                work.cancellation.cancel()
    if as_json:
        print_json(
            {
                "delta": str(delta),
                "layer_name": plan.header.layer_name,
                "path": str(plan.destination),
                "content_hash": plan.header.content_hash,
                "size": plan.size,
                "new_size": plan.new_size,
            }
        )
    elif dry_run:
        sizes = f"{size_text(plan.size)}, of which {size_text(plan.new_size)} are new"
        click.echo(f"create  {shown(plan.destination)}  {sizes}")
    elif verbosity() >= 0:
        click.echo(f"{shown(plan.destination)}  made")
