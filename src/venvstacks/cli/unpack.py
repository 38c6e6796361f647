"""``venvstacks unpack``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli.common import print_json, shown
from venvstacks.cli.console import reporter
from venvstacks.cli.option_groups import FOLDER, flag, jobs_option, json_option, verbosity, verbosity_options
from venvstacks.errors import UsageError
from venvstacks.humanize import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from venvstacks.archives.unpack_plan import PlannedUnpack, UnpackedLayer


@click.command()
@click.argument("archives", metavar="ARCHIVE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to", "folder", type=FOLDER, required=True, metavar="DIR", help="Folder to unpack the layers into."
)
@flag("--force", help="Replace folders with other content.")
@flag("--dry-run", help="Check the indexes and print what would be done without doing it.")
@json_option
@jobs_option("Number of threads")
@verbosity_options
def unpack(
    *, archives: tuple[Path, ...], folder: Path, force: bool, dry_run: bool, as_json: bool, jobs: int | None
) -> None:
    """Unpack published archives and verify their content.

    The index beside each archive is verified by the manifest, if there is one; every part of the archive and every
    file is verified by the index. A layer's folder appears when it is complete; an existing folder with the right
    content is left alone. Indexes, deltas and manifests among the arguments (from a pattern such as `*`) are
    skipped.

    \b
    Example:
      venvstacks unpack _artifacts/*.zst --to ~/deployed
    """
    from venvstacks.options import Options  # noqa: PLC0415
    from venvstacks.work import default_jobs  # noqa: PLC0415

    archives = _archives_among(archives)
    with reporter(verbosity()) as observe:
        how = Options(jobs=jobs or default_jobs(), observe=observe)
        if dry_run:
            plan = venvstacks.plan_unpacking(archives, folder, force=force, options=how)
        else:
            layers = venvstacks.unpack(archives, folder, force=force, options=how)
    if dry_run:
        _print_plan(plan, as_json=as_json)
    elif as_json:
        _print_data(layers)
    elif verbosity() >= 0:
        for layer in layers:
            click.echo(f"{shown(layer.path)}  {'made' if layer.created else 'unchanged'}")


def _archives_among(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Leave out what stands beside archives."""
    from venvstacks.manifests.manifest_format import (  # noqa: PLC0415 - help must be quick
        DELTA_SUFFIX,
        INDEX_SUFFIX,
        METADATA_FOLDER,
    )

    beside = (INDEX_SUFFIX, DELTA_SUFFIX, METADATA_FOLDER)
    archives = tuple(path for path in paths if not path.name.endswith(beside))
    if not archives:
        raise UsageError(
            f"There is no archive among {', '.join(map(str, paths))}.",
            hint="name archives: their indexes are found beside them; `venvstacks patch` applies deltas",
        )
    return archives


def _print_plan(plan: "Sequence[PlannedUnpack]", *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "archive": str(planned.archive),
                    "layer_name": planned.index.layer_name,
                    "path": str(planned.destination),
                    "size": planned.size,
                    "action": planned.action,
                }
                for planned in plan
            ]
        )
        return
    for planned in plan:
        click.echo(f"{planned.action}  {shown(planned.destination)}  {size_text(planned.size)}")


def _print_data(layers: "Sequence[UnpackedLayer]") -> None:
    print_json(
        [
            {
                "archive": str(layer.archive),
                "layer_name": layer.layer,
                "path": str(layer.path),
                "created": layer.created,
                "content_hash": layer.content_hash,
            }
            for layer in layers
        ]
    )
