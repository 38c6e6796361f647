"""``venvstacks show``."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli.common import load, located, matched, print_json
from venvstacks.cli.option_groups import (
    Selecting,
    build_dir_option,
    json_option,
    platform_option,
    selection_options,
    spec_argument,
    verbosity,
    verbosity_options,
)

if TYPE_CHECKING:
    from venvstacks.platforms.targets import Target


@click.command()
@spec_argument
@build_dir_option
@selection_options
@platform_option
@click.option(
    "--libraries",
    is_flag=False,
    flag_value="*",
    metavar="[LAYER]",
    help="Show which shared libraries the files of built layers (or of LAYER) need, and what provides them.",
)
@json_option
@verbosity_options
def show(
    *,
    spec: Path,
    build_dir: Path,
    selecting: Selecting,
    platforms: tuple[str, ...],
    libraries: str | None,
    as_json: bool,
) -> None:
    """Show the layers of a stack and their dependencies.

    With --include, the dependencies and dependents of the included layers are shown as well.

    A leading * marks a layer without a valid lock; an arrow points to the name of the deployed folder where it
    differs. Layers that are not for the chosen platform are marked; with -v, so are those that are built. With
    --libraries, -v also lists the files that only need libraries of the target's system.

    \b
    Example:
      venvstacks show --include 'app-*'
    """
    if libraries is not None:
        if libraries.endswith(".toml"):  # the definition, which stands where a layer could
            spec, libraries = Path(libraries), "*"
        _show_libraries(spec, build_dir, selecting, platforms, libraries, as_json=as_json)
        return
    from venvstacks.cli.tree import Tree  # noqa: PLC0415 - help must be quick
    from venvstacks.locking.states import lock_states  # noqa: PLC0415
    from venvstacks.platforms.targets import TARGETS  # noqa: PLC0415
    from venvstacks.selection import ALL, extended, selected_targets  # noqa: PLC0415
    from venvstacks.status import StackStatus  # noqa: PLC0415

    stack = load(spec)
    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    targets = selected_targets(stack, (), [name for name in platforms if name != ALL])
    if ALL in platforms:
        targets = tuple(TARGETS.values())
    # what `stack_status` gives, without what the API imports
    status = StackStatus(stack, lock_states(stack), extended(stack, included, dependencies=True, derived=True))
    built = _built(located(stack, build_dir), status.listed, targets) if verbosity() > 0 else None
    if as_json:
        print_json(status.as_json())
    else:
        click.echo(Tree(status, built, targets).text(), nl=False)


def _show_libraries(
    spec: Path, build_dir: Path, selecting: Selecting, platforms: tuple[str, ...], layer: str, *, as_json: bool
) -> None:
    from venvstacks.cli.library_tree import libraries_text  # noqa: PLC0415
    from venvstacks.options import Options  # noqa: PLC0415

    stack = load(spec)
    patterns = selecting.include if layer == "*" else (*selecting.include, layer)
    chosen = matched(stack, patterns, allow_missing=selecting.allow_missing)
    found = venvstacks.shared_libraries(
        stack, include=chosen, platforms=platforms, options=Options(build_dir=build_dir)
    )
    if as_json:
        print_json({"spec_name": str(stack.path), "layers": [each.as_json() for each in found]})
    else:
        click.echo(libraries_text(found, everything=verbosity() > 0), nl=False)


def _built(folder: Path, names: Collection[str], targets: Iterable["Target"]) -> dict[str, list[str]]:
    # slower than all the rest
    from venvstacks.building.build_plan import folder_of  # noqa: PLC0415
    from venvstacks.building.state import STATE_FILE  # noqa: PLC0415

    return {
        name: [target.name for target in targets if (folder_of(target, folder) / name / STATE_FILE).is_file()]
        for name in names
    }
