"""What machines need that archives are deployed to: ``venvstacks unpack``, ``patch`` and ``run``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli import option_groups as option
from venvstacks.cli.common import print_json, print_result, report_events, shorten, warn
from venvstacks.errors import UsageError
from venvstacks.humanize import size_text

if TYPE_CHECKING:
    from venvstacks.deploying.deployment_format import Generation
    from venvstacks.deploying.places import Home
    from venvstacks.options import Options

_SPEC = Path("venvstacks.toml")


def _deployment_options(metavar: str, help: str, *, checked: str) -> option.Decorator:  # noqa: A002 - as click calls it
    return option.group(
        click.option("--to", "folder", type=option.FOLDER, required=True, metavar=metavar, help=help),
        option.flag("--dry-run", help=f"Check {checked} and print what would be done without doing it."),
        option.json,
        option.jobs("Number of threads"),
        option.verbosity,
        option.collect(options="Options"),
    )


@click.command()
@click.argument("archives", metavar="ARCHIVE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@option.flag("--force", help="Replace folders with other content.")
@_deployment_options("DIR", "Folder to unpack the layers into.", checked="the indexes")
def unpack(
    *, archives: tuple[Path, ...], folder: Path, force: bool, dry_run: bool, as_json: bool, options: "Options"
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
    archives = _leave_out_others(archives)
    with report_events(options) as how:
        if dry_run:
            plan = venvstacks.plan_unpacking(archives, folder, force=force, options=how)
        else:
            layers = venvstacks.unpack(archives, folder, force=force, options=how)
    if not dry_run:
        for layer in () if as_json else layers:
            print_result(f"{shorten(layer.path)}  {'made' if layer.created else 'unchanged'}")
        found = [
            {
                "archive": str(layer.source),
                "layer_name": layer.layer,
                "path": str(layer.path),
                "created": layer.created,
                "content_hash": layer.content_hash,
            }
            for layer in layers
        ]
    else:
        for planned in () if as_json else plan:
            click.echo(f"{planned.action}  {shorten(planned.destination)}  {size_text(planned.size)}")
        found = [
            {
                "archive": str(planned.archive),
                "layer_name": planned.index.layer_name,
                "path": str(planned.destination),
                "size": planned.size,
                "action": planned.action,
            }
            for planned in plan
        ]
    if as_json:
        print_json(found)


def _leave_out_others(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the archives, without what lies beside them."""
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


@click.command()
@click.argument("old", metavar="OLD_DIR", type=option.FOLDER)
@click.argument("delta", metavar="DELTA", type=click.Path(path_type=Path))
@_deployment_options("NEW_DIR", "Folder to create for the new layer; must not exist.", checked="the delta")
def patch(*, old: Path, delta: Path, folder: Path, dry_run: bool, as_json: bool, options: "Options") -> None:
    """Create a new layer's folder from an old one and a delta.

    OLD_DIR is the folder that the old archive was unpacked into. It is not changed, and may contain other files.
    NEW_DIR is created with the content of the new archive: each file is verified, and the folder appears when it
    is complete. If a file of OLD_DIR is not the published one, the command fails: use the whole archive then.

    \b
    Example:
      venvstacks patch deployed/app-iris app-iris.from-0123456789abcdef.vdelta --to staging/app-iris
    """
    # no build tools: this is what target machines run
    from venvstacks.deltas.patch_plan import prepare_patch, run_patch  # noqa: PLC0415 - help must be quick
    from venvstacks.file_names import expanded  # noqa: PLC0415
    from venvstacks.work import Work  # noqa: PLC0415

    plan = prepare_patch(*(expanded(path).absolute() for path in (old, delta, folder)))
    if not dry_run:
        with report_events(options) as how:
            run_patch(plan, Work(how.observe, how.jobs))
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
        click.echo(f"create  {shorten(plan.destination)}  {sizes}")
    else:
        print_result(f"{shorten(plan.destination)}  made")


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer the applications that could be run with the options that were given so far."""
    del parameter
    from venvstacks.launch import find_applications  # noqa: PLC0415 - help must be quick

    spec = Path(context.params.get("spec") or _SPEC)
    folder = _find_folder(context.params.get("source"), spec, Path(context.params.get("build_dir") or "_build"))
    deployed = _find_deployed(folder, incomplete)
    names = deployed[1].applications if deployed else find_applications(folder)
    return [name for name in names if name.startswith(incomplete)]


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--from",
    "source",
    type=option.FOLDER,
    metavar="DIR",
    help="Export, folder of unpacked layers or deployment, relative to the current folder.",
)
@click.option(
    "--spec",
    type=click.Path(path_type=Path),
    default=_SPEC,
    show_default=True,
    help="Definition whose build folder contains the application.",
)
@option.build_dir
@click.argument("app", shell_complete=_complete)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(source: Path | None, spec: Path, build_dir: Path, app: str, arguments: tuple[str, ...]) -> int:
    """Run an application of a build, export or deployment.

    The application replaces this process: streams, signals and exit status are its own. Options of this command
    come before the application's name; everything after it is passed to the application.

    Programs of the application's layer come first on PATH, those of the layers below last. PYTHONHOME is unset.

    \b
    Example:
      venvstacks run --from _export hello --name World
    """
    from venvstacks.launch import run_application  # noqa: PLC0415 - help must be quick

    folder = _find_folder(source, spec, build_dir)
    if source is not None and (deployed := _find_deployed(folder, app)):
        from venvstacks.deploying.applications import start_application  # noqa: PLC0415

        return start_application(*deployed, app, arguments, warn)
    return run_application(folder, app, arguments, built=source is None, warn=warn)


def _find_deployed(folder: Path, app: str) -> "tuple[Home, Generation] | None":
    """Find an application if a folder is that of a deployment."""
    if not any((folder / name).is_dir() for name in ("generations", "products")):
        return None
    from venvstacks.deploying.applications import find_application  # noqa: PLC0415 - exports do without

    return find_application(folder, app)


def _find_folder(source: Path | None, spec: Path, build_dir: Path) -> Path:
    from venvstacks.file_names import expanded  # noqa: PLC0415 - help must be quick

    return expanded(source) if source is not None else expanded(spec).parent / expanded(build_dir)
