"""What target machines do with stores: ``venvstacks deploy`` and ``venvstacks deployment``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli import option_groups as option
from venvstacks.cli.common import print_json, print_result, report_events, shorten
from venvstacks.cli.deployment_repair import repair, verify
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from venvstacks.deploying.deploy_plan import DeploymentPlan
    from venvstacks.deploying.deploy_run import Deployed
    from venvstacks.deploying.status import DeploymentStatus
    from venvstacks.options import DeploySettings, Options

_wait = option.flag(
    "--wait", default=True, help="Wait while another run changes the deployment, instead of failing."
)
_product = click.option("--product", metavar="NAME", help="Product, in a folder of several; '.' is the first.")
_folder = click.argument("folder", metavar="DIR", type=option.FOLDER)


@click.command()
@click.argument("store", metavar="[STORE]", required=False)
@click.option("--to", "folder", type=option.FOLDER, required=True, metavar="DIR", help="Folder of the deployment.")
@click.option("--channel", metavar="NAME", help="Follow a channel (default: 'stable', or the only one).")
@click.option("--release", metavar="VERSION", help="Stay at a release instead of following a channel.")
@click.option(
    "--app",
    "applications",
    multiple=True,
    metavar="NAME",
    help="Only deploy these applications: names, or patterns; '*' for all again; may be repeated.",
)
@click.option(
    "--root",
    metavar="ROOT.json",
    help="Root metadata of a store that is not known yet: a file, or its hash (sha256:...).",
)
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Number of generations to keep (default: 3)."
)
@_product
@click.option("--platform", metavar="NAME", help="Target platform (default: this machine's).")
@click.option(
    "--check", metavar="COMMAND", help="Run a shell command before the switch; if it fails, nothing changes."
)
@click.option("--then", metavar="COMMAND", help="Run a shell command after the switch.")
@option.flag("--rollback-on-failure", help="Go back to the generation before if the command of --then fails.")
@option.flag("--dry-run", help="Print what would be fetched without changing anything.")
@option.json
@option.jobs("Number of layers to handle at once")
@_wait
@option.verbosity
@option.collect(settings="DeploySettings", options="Options")
def deploy(
    *,
    store: str | None,
    folder: Path,
    check: str | None,
    then: str | None,
    rollback_on_failure: bool,
    dry_run: bool,
    as_json: bool,
    settings: "DeploySettings",
    options: "Options",
) -> None:
    """Deploy a release from a store, or update a deployment.

    STORE is a folder, or an address that begins with https://, s3://, gs://, az:// or oci://; or an output folder
    of `venvstacks publish`, which has no signatures. Store, channel and applications are remembered: later,
    `venvstacks deploy --to DIR` is enough.

    The first time, --root names whom to trust: a copy of the root metadata that `venvstacks store init` wrote,
    from somewhere else than the store.

    Layers that are there are kept. Others are fetched in the way that moves the fewest bytes, verified, and put in
    place beside the running ones; then the new generation becomes current at once. DIR/bin/APP starts an
    application in the current generation. Old generations are pruned afterwards.

    Another store adds its applications as another product to the same folder, in DIR/products/NAME. --product NAME
    lets a known product follow another address.

    \b
    Example:
      venvstacks deploy https://store.example.invalid/hello --to /opt/hello --root hello-root.json
      venvstacks deploy --to /opt/hello
    """
    with report_events(options) as how:
        if dry_run:
            _print_plan(venvstacks.plan_deployment(store, to=folder, options=how, **settings), as_json=as_json)
            return
        done = venvstacks.deploy(
            store,
            to=folder,
            check=check or "",
            then=then or "",
            rollback_on_failure=rollback_on_failure,
            options=how,
            **settings,
        )
    if as_json:
        print_json(done.as_json())
    else:
        _print_deployed(done)


def _print_plan(plan: "DeploymentPlan", *, as_json: bool) -> None:
    if as_json:
        print_json(plan.as_json())
        return
    for layer in plan.layers:
        what = f"  {size_text(layer.bytes)}, {counted(layer.requests, 'request')}" if layer.requests else ""
        click.echo(f"{layer.way:>7}  {layer.layer}{what}")
    total = f"{size_text(plan.bytes)}, {counted(plan.requests, 'request')}"
    if plan.changes:
        before = f" instead of {plan.current_release}" if plan.current_release else ""
        click.echo(f"release {plan.release}{before} in {shorten(plan.folder)}: {total}")
    else:
        click.echo(f"release {plan.release} is current in {shorten(plan.folder)}, nothing to do: {total}")


def _print_deployed(done: "Deployed") -> None:
    fetched = f"{size_text(done.bytes)}, {counted(done.requests, 'request')}"
    where = f"release {done.release} (generation {done.generation}) is current in {shorten(done.folder)}"
    print_result(f"{where}: {fetched}" if done.changed else f"{where}, nothing to do: {fetched}")
    for program in done.programs.values() if done.changed else ():
        print_result(f"  {shorten(program)}")


@click.group()
@option.verbosity
def deployment() -> None:
    """Look after what was deployed.

    \b
    Example:
      venvstacks deployment status /opt/hello
    """


@deployment.command()
@_folder
@option.json
@option.verbosity
def status(*, folder: Path, as_json: bool) -> None:
    """Show products, generations and applications of a deployment.

    \b
    Example:
      venvstacks deployment status /opt/hello
    """
    found = venvstacks.deployment_status(folder)
    if as_json:
        print_json(found.as_json())
    else:
        _print_status(found)


def _print_status(found: "DeploymentStatus") -> None:
    for product in found.products:
        follows = f"channel {product.channel}" if product.channel else f"release {product.release or 'published'}"
        signed = "" if product.signed else ", not signed"
        name = f"{product.name}: " if product.name else ""
        click.echo(f"{name}{product.store} ({follows}, {product.platform}{signed})")
        for generation in product.generations:
            mark = "*" if generation.is_current else " "
            made = datetime.fromtimestamp(generation.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
            broken = "" if generation.is_complete else "  (layers are missing)"
            click.echo(f"  {mark} generation {generation.number}  release {generation.release}  {made}{broken}")
        for program in product.applications.values():
            click.echo(f"    {shorten(program)}")
    in_use = f", {len(found.in_use)} of them only as processes run from them" if found.in_use else ""
    click.echo(f"{counted(found.layers, 'layer')}{in_use}")


@deployment.command()
@_folder
@click.option(
    "--generation", type=click.IntRange(min=1), metavar="N", help="Make this generation current instead."
)
@_product
@_wait
@option.json
@option.verbosity
@option.collect(options="Options")
def rollback(
    *, folder: Path, generation: int | None, product: str | None, as_json: bool, options: "Options"
) -> None:
    """Make the generation before the current one current again.

    That is the one that was current when the current one was made, so that running it again goes back further.
    --generation goes to any other, also forward. The network is not used. `venvstacks deploy` goes on with what
    the channel leads to; `venvstacks deploy --release` stays at a release.

    \b
    Example:
      venvstacks deployment rollback /opt/hello
    """
    with report_events(options) as how:
        done = venvstacks.rollback(folder, generation=generation, product=product, options=how)
    if as_json:
        print_json(done.as_json())
    else:
        print_result(f"release {done.release} (generation {done.generation}) is current in {shorten(done.folder)}")


@deployment.command()
@_folder
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Number of generations to keep.")
@_product
@option.flag("--dry-run", help="Print what would be removed without removing it.")
@_wait
@option.json
@option.verbosity
@option.collect(options="Options")
def prune(
    *,
    folder: Path,
    keep: int | None,
    product: str | None,
    dry_run: bool,
    as_json: bool,
    options: "Options",
) -> None:
    """Remove old generations, and layers that nothing uses any more.

    Layers stay that a generation needs or a process runs from. The current generation and the one before it always
    stay. `venvstacks deploy` does the same after each switch.

    \b
    Example:
      venvstacks deployment prune /opt/hello --keep 1
    """
    with report_events(options) as how:
        if dry_run:
            plan = venvstacks.plan_pruning(folder, keep=keep, product=product)
            found = plan.as_json()
        else:
            found = venvstacks.prune_deployment(folder, keep=keep, product=product, options=how).as_json()
    if as_json:
        print_json(found)
        return
    counts = f"{counted(len(found['generations']), 'generation')}, {counted(len(found['layers']), 'layer')}"
    in_use = f"; {counted(len(found['in_use']), 'layer')} in use" if found["in_use"] else ""
    print_result(f"{counts} {'would be removed' if dry_run else 'removed'}{in_use}")


deployment.add_command(verify)
deployment.add_command(repair)
