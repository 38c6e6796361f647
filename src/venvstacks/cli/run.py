"""``venvstacks run``."""

from pathlib import Path

import click

from venvstacks.cli.common import warn
from venvstacks.cli.option_groups import FOLDER, build_dir_option

_SPEC = Path("venvstacks.toml")


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer the applications that could be run with the options that were given so far."""
    del parameter
    from venvstacks.launch import applications  # noqa: PLC0415 - help must be quick

    spec = Path(context.params.get("spec") or _SPEC)
    folder = _folder(context.params.get("source"), spec, Path(context.params.get("build_dir") or "_build"))
    return [name for name in applications(folder) if name.startswith(incomplete)]


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--from",
    "source",
    type=FOLDER,
    metavar="DIR",
    help="Export or folder of unpacked layers, relative to the current folder.",
)
@click.option(
    "--spec",
    type=click.Path(path_type=Path),
    default=_SPEC,
    show_default=True,
    help="Definition whose build folder contains the application.",
)
@build_dir_option
@click.argument("app", shell_complete=_complete)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(source: Path | None, spec: Path, build_dir: Path, app: str, arguments: tuple[str, ...]) -> int:
    """Run an application from the build folder or an export.

    The application replaces this process: streams, signals and exit status are its own. Options of this command
    come before the application's name; everything after it is passed to the application.

    Programs of the application's layer come first on PATH, those of the layers below last. PYTHONHOME is unset.

    \b
    Example:
      venvstacks run --from _export hello --name World
    """
    from venvstacks.launch import run_application  # noqa: PLC0415 - help must be quick

    folder = _folder(source, spec, build_dir)
    return run_application(folder, app, arguments, built=source is None, warn=warn)


def _folder(source: Path | None, spec: Path, build_dir: Path) -> Path:
    return source.expanduser() if source is not None else spec.expanduser().parent / build_dir.expanduser()
