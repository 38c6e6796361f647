"""The group of commands, and ``venvstacks completion``."""

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli.build import build
from venvstacks.cli.cache import cache
from venvstacks.cli.deploy import patch, run, unpack
from venvstacks.cli.deployment import deploy, deployment
from venvstacks.cli.diff import diff
from venvstacks.cli.lock import lock
from venvstacks.cli.publish import local_export, publish
from venvstacks.cli.push import promote, push
from venvstacks.cli.show import show, why
from venvstacks.cli.store import store


def _print_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    del parameter
    if value:
        from importlib.metadata import version  # noqa: PLC0415 - only this option needs it

        click.echo(f"venvstacks {version('venvstacks')}")
        context.exit()


@click.group(context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100})
@click.option(
    "--version",
    "-V",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@option.verbosity
def cli() -> None:
    """Ship Python applications as portable, deterministic layers.

    A stack definition (venvstacks.toml) names runtimes, frameworks and applications. Lock and build them as
    layers, then publish an archive of each layer, or export the layers and run the applications.

    \b
    Example:
      venvstacks lock && venvstacks build --publish
    """


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script for a shell.

    The script completes commands, options and names of applications. SHELL is bash, zsh or fish.

    \b
    Example:
      eval "$(venvstacks completion bash)"
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - help must be quick

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"This installation of click knows no completion for {shell}.")
    click.echo(kind(cli, {}, "venvstacks", "_VENVSTACKS_COMPLETE").source())


_BUILDING = (show, why, lock, build, publish, local_export)
_RELEASING = (push, promote, store)
_DEPLOYING = (deploy, deployment, unpack, patch, diff, run)
for command in (*_BUILDING, *_RELEASING, *_DEPLOYING, cache, completion):
    cli.add_command(command)
