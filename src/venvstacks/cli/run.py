"""``venvstacks run``."""

from pathlib import Path

import click

from venvstacks.cli.options import FOLDER, build_dir_option


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer the applications of the definition at hand."""
    del context, parameter
    from venvstacks.errors import DefinitionError  # noqa: PLC0415 - help must be quick
    from venvstacks.spec.loading import load_stack  # noqa: PLC0415
    from venvstacks.spec.model import LayerKind  # noqa: PLC0415

    try:
        stack = load_stack(Path("venvstacks.toml"))
    except DefinitionError:
        return []
    return [layer.name for layer in stack.of_kind(LayerKind.APPLICATION) if layer.name.startswith(incomplete)]


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--from", "source", type=FOLDER, metavar="DIR", help="An export or a folder with unpacked layers.")
@click.option(
    "--spec",
    type=click.Path(path_type=Path),
    default=Path("venvstacks.toml"),
    show_default=True,
    help="The definition whose build folder holds the application.",
)
@build_dir_option
@click.argument("app", shell_complete=_complete)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(source: Path | None, spec: Path, build_dir: Path, app: str, arguments: tuple[str, ...]) -> int:
    """Run an application from the build folder, or from an export.

    The application takes this command's place: streams, signals and exit status are its own. Options stand
    before its name; what follows is the application's.

    \b
    Example:
      venvstacks run --from _export hello --name World
    """
    from venvstacks.running import run_application  # noqa: PLC0415 - help must be quick

    folder = source if source is not None else spec.expanduser().parent / build_dir
    return run_application(folder, app, arguments, built=source is None)
