"""``venvstacks completion``."""

import click


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
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
    root = context.find_root()
    click.echo(kind(root.command, {}, "venvstacks", "_VENVSTACKS_COMPLETE").source())
