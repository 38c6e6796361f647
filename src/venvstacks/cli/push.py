"""``venvstacks push`` and ``venvstacks promote``: publishing releases in stores."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import venvstacks
from venvstacks.cli import option_groups as option
from venvstacks.cli import signing
from venvstacks.cli.common import print_json, print_result, report_events, shorten
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from venvstacks.options import Options
    from venvstacks.releasing.push_plan import PushPlan
    from venvstacks.releasing.push_run import Pushed

_dry_run = option.flag("--dry-run", help="Print what would be done without doing it.")
_DELTAS = 3


def _release(*, required: bool) -> option.Decorator:
    return click.option(
        "--release",
        metavar="VERSION",
        required=required,
        default=None if required else "",
        help="Version of the release: any text without slashes and spaces."
        + ("" if required else " Not needed if this very content was pushed before."),
    )


@click.command()
@signing.store
@signing.keys
@_release(required=False)
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="Let a channel, such as stable, lead to the release; may be repeated.",
)
@click.option(
    "--output-dir",
    "output",
    type=option.FOLDER,
    metavar="DIR",
    help="Output folder of `venvstacks publish`, relative to the current folder (default: _artifacts).",
)
@click.option(
    "--deltas",
    type=click.IntRange(min=0),
    default=_DELTAS,
    show_default=True,
    metavar="N",
    help="Make deltas from the last N releases: those that channels lead to first.",
)
@option.flag(
    "--partial",
    help="More platforms follow: clients do not see the release before it is pushed without this option.",
)
@click.option(
    "--installer",
    default="",
    metavar="APP",
    help="Write install.sh and install.ps1 into the store, which install this application and let it deploy.",
)
@click.option(
    "--installer-address",
    default="",
    metavar="URL",
    help="Address of the store for the installed machines (default: STORE, if it is a web address).",
)
@_dry_run
@option.json
@option.jobs("Number of threads for deltas")
@option.verbosity
@option.collect(options="Options")
def push(
    *,
    address: str,
    keys_folder: Path,
    release: str,
    channels: tuple[str, ...],
    output: Path | None,
    deltas: int,
    partial: bool,
    installer: str,
    installer_address: str,
    dry_run: bool,
    as_json: bool,
    options: "Options",
) -> None:
    """Push what was published as a release, signed with the keys.

    What the store lacks is uploaded. Deltas lead from the last releases; each is applied once before it is listed,
    and left out if it saves nothing. Clients see the release and the switched channels at once, at the end: an
    interrupted push changes nothing for them, and the next one only uploads what is missing.

    A release does not change: pushing it again with the same content does nothing, and with other content fails.
    With --partial, build machines push a release platform by platform; a push without it, also one without an
    output folder, finishes the release.

    \b
    Example:
      venvstacks push s3://example-bucket/app --keys ~/keys/app --release 1.4.0 --channel stable
    """
    with report_events(options) as how:
        settings: dict[str, Any] = {
            "keys": keys_folder,
            "release": release,
            "channels": channels,
            "output": output,
            "deltas": deltas,
            "partial": partial,
            "installer": installer,
            "installer_address": installer_address,
            "options": how,
        }
        ask = functools.cache(signing.ask_passphrase)
        found: PushPlan | Pushed = (
            venvstacks.plan_pushing(address, **settings)
            if dry_run
            else venvstacks.push(address, passphrase=ask, **settings)
        )
    if as_json:
        print_json(found.as_json())
    elif isinstance(found, venvstacks.PushPlan):
        _print_plan(found)
    else:
        _print_pushed(found, address)


def _print_plan(plan: "PushPlan") -> None:
    for platform in plan.platforms:
        click.echo(f"{platform.state.value}  release {plan.version} for {platform.platform}")
    for upload in plan.uploads:
        click.echo(f"upload  {shorten(upload.path)}  {size_text(upload.size)}")
    for delta in plan.deltas:
        made = "made by publish" if delta.made else "if it is worth it"
        click.echo(f"delta  {delta.layer_name} for {delta.platform}  (from release {delta.version}, {made})")
    for channel, before in plan.channels.items():
        click.echo(f"switch  {channel}  (from {before or 'nothing'} to {plan.version})")
    click.echo(f"{size_text(plan.bytes)} to upload, {size_text(plan.present)} there")


def _print_pushed(pushed: "Pushed", address: str) -> None:
    state = f"{size_text(pushed.uploaded)} uploaded, {counted(pushed.deltas, 'delta')}"
    done = state if pushed.changed else "unchanged"
    print_result(f"Release {pushed.version} for {', '.join(pushed.platforms)}: {done}.")
    if not pushed.visible:
        print_result("Clients do not see it until it is pushed without --partial.")
    elif pushed.channels:
        print_result(f"Channels that lead to it: {', '.join(pushed.channels)}.")
    else:
        print_result(
            f"No channel leads to it yet: venvstacks promote {address} --release {pushed.version} --channel NAME"
        )
    print_result(f"Hash of the root metadata, which machines need: {pushed.root_hash}")


@click.command()
@signing.store
@signing.keys
@_release(required=True)
@click.option(
    "--channel", "channels", multiple=True, required=True, metavar="NAME", help="The channel; may be repeated."
)
@_dry_run
@option.json
@option.verbosity
def promote(
    *, address: str, keys_folder: Path, release: str, channels: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Let a channel lead to another release, also to an older one.

    \b
    Example:
      venvstacks promote s3://example-bucket/app --keys ~/keys/app --release 1.4.0 --channel stable
    """
    if dry_run:
        plan = venvstacks.plan_promotion(address, keys=keys_folder, release=release, channels=channels)
    else:
        ask = functools.cache(signing.ask_passphrase)
        plan = venvstacks.promote(address, keys=keys_folder, passphrase=ask, release=release, channels=channels)
    if as_json:
        print_json(plan.as_json())
        return
    for channel, before in plan.channels.items():
        state = "unchanged" if before == release else f"before: {before or 'nothing'}"
        print_result(f"{channel} -> {release}  ({state})")
