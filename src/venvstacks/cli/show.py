"""``venvstacks show``."""

from collections.abc import Collection
from pathlib import Path

import click

from venvstacks.cli.common import load, located, matched, print_json
from venvstacks.cli.options import (
    Selecting,
    build_dir_option,
    selection_options,
    spec_argument,
    verbosity,
    verbosity_options,
)


@click.command()
@spec_argument
@build_dir_option
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print data.")
@verbosity_options
def show(spec: Path, build_dir: Path, selecting: Selecting, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Show the layers of a stack, and what each stands on.

    A leading * marks a layer without a valid lock; an arrow leads to the name of the deployed folder where it
    differs. With -v, layers that stand in the build folder are marked.

    \b
    Example:
      venvstacks show --include 'app-*'
    """
    from venvstacks.cli.tree import View  # noqa: PLC0415 - help must be quick
    from venvstacks.locking.states import lock_states  # noqa: PLC0415

    stack = load(spec)
    chosen = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    built = _built(located(stack, build_dir), chosen) if verbosity() > 0 else None
    view = View(stack, lock_states(stack), chosen, built=built)
    if as_json:
        print_json(view.data())
    else:
        click.echo(view.text(), nl=False)


def _built(folder: Path, names: Collection[str]) -> frozenset[str]:
    from venvstacks.building.state import STATE_FILE  # noqa: PLC0415 - slower than all the rest

    return frozenset(name for name in names if (folder / name / STATE_FILE).is_file())
