"""``venvstacks show`` and ``venvstacks why``."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli import option_groups as option
from venvstacks.cli.common import draw_stack, load, print_json, print_tree, select
from venvstacks.errors import UsageError

if TYPE_CHECKING:
    from venvstacks.options import Options
    from venvstacks.platforms.targets import Target


@click.command()
@option.spec
@option.build_dir
@option.selection
@option.platform
@click.option(
    "--libraries",
    is_flag=False,
    flag_value="*",
    metavar="[LAYER]",
    help="Show which shared libraries the files of built layers (or of LAYER) need, and what provides them.",
)
@option.json
@option.verbosity
def show(
    *, spec: Path, build_dir: Path, selection: option.Selection, libraries: str | None, as_json: bool
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
        if libraries.endswith(".toml"):  # the definition, which is where a layer could be
            spec, libraries = Path(libraries), "*"
        _show_libraries(spec, build_dir, selection, libraries, as_json=as_json)
        return
    from venvstacks.locking.states import lock_states  # noqa: PLC0415 - help must be quick
    from venvstacks.platforms.targets import TARGETS  # noqa: PLC0415
    from venvstacks.selection import ALL, choose_targets, extend_selection  # noqa: PLC0415
    from venvstacks.status import StackStatus  # noqa: PLC0415

    stack = load(spec)
    included = select(stack, selection.include, selection)
    targets = choose_targets(stack, (), [name for name in selection.platforms if name != ALL])
    if ALL in selection.platforms:
        targets = tuple(TARGETS.values())
    # what `stack_status` returns, without what the API imports
    status = StackStatus(
        stack, lock_states(stack), extend_selection(stack, included, dependencies=True, derived=True)
    )
    if as_json:
        print_json(status.as_json())
        return
    built = None
    if option.get_verbosity() > 0:
        from venvstacks.options import in_definition  # noqa: PLC0415 - slower than all the rest

        built = _find_built(in_definition(stack, build_dir), status.listed, targets)
    print_tree(draw_stack(status, targets, built))


def _show_libraries(
    spec: Path, build_dir: Path, selection: option.Selection, layer: str, *, as_json: bool
) -> None:
    from venvstacks.cli.report_trees import draw_libraries  # noqa: PLC0415
    from venvstacks.options import Options  # noqa: PLC0415

    stack = load(spec)
    patterns = selection.include if layer == "*" else (*selection.include, layer)
    chosen = select(stack, patterns, selection)
    found = venvstacks.shared_libraries(
        stack, include=chosen, platforms=selection.platforms, options=Options(build_dir=build_dir)
    )
    if as_json:
        print_json({"spec_name": str(stack.path), "layers": [each.as_json() for each in found]})
    else:
        print_tree(draw_libraries(found, everything=option.get_verbosity() > 0))


def _find_built(folder: Path, names: Collection[str], targets: "Iterable[Target]") -> dict[str, list[str]]:
    # slower than all the rest
    from venvstacks.building.build_plan import folder_of  # noqa: PLC0415
    from venvstacks.building.build_state import STATE_FILE  # noqa: PLC0415

    return {
        name: [target.name for target in targets if (folder_of(target, folder) / name / STATE_FILE).is_file()]
        for name in names
    }


@click.command()
@click.argument("package")
@option.spec
@option.build_dir
@option.platform
@option.json
@option.verbosity
@option.collect(options="Options")
def why(*, package: str, spec: Path, platforms: tuple[str, ...], as_json: bool, options: "Options") -> None:
    """Show which layers contain a package, and why.

    For each layer, the chain of requirements that leads to the package and its size are shown if the layer is
    built.

    \b
    Example:
      venvstacks why numpy
    """
    stack = load(spec)
    found = venvstacks.why(stack, package, platforms=platforms, options=options)
    if as_json:
        print_json({"package": package, "layers": [each.as_json() for each in found]})
    elif not found:
        raise UsageError(f"No layer of {stack.path.name} has the package {package!r}.")
    else:
        from venvstacks.cli.report_trees import draw_dependency_paths  # noqa: PLC0415 - help must be quick

        print_tree(draw_dependency_paths(package, found))
