"""``venvstacks why``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli.common import load, print_json
from venvstacks.cli.option_groups import (
    build_dir_option,
    json_option,
    platform_option,
    spec_argument,
    verbosity_options,
)
from venvstacks.errors import UsageError

if TYPE_CHECKING:
    from venvstacks.building.dependency_paths import Presence


@click.command()
@click.argument("package")
@spec_argument
@build_dir_option
@platform_option
@json_option
@verbosity_options
def why(*, package: str, spec: Path, build_dir: Path, platforms: tuple[str, ...], as_json: bool) -> None:
    """Show which layers contain a package, and why.

    For each layer, the chain of requirements that leads to the package and its size are shown if the layer is
    built.

    \b
    Example:
      venvstacks why numpy
    """
    from venvstacks.options import Options  # noqa: PLC0415

    stack = load(spec)
    found = venvstacks.why(stack, package, platforms=platforms, options=Options(build_dir=build_dir))
    if as_json:
        print_json({"package": package, "layers": [each.as_json() for each in found]})
    elif not found:
        raise UsageError(f"No layer of {stack.path.name} has the package {package!r}.")
    else:
        click.echo("".join(f"{line}\n" for line in _lines(package, found)), nl=False)


def _lines(package: str, found: "Sequence[Presence]") -> Iterator[str]:
    several = len({each.platform for each in found}) > 1
    yield package
    for each in found:
        title = f"{each.layer} for {each.platform}" if several else each.layer
        cost = f"from {each.provider}" if each.provider else _cost(each)
        yield f"    {title}  {each.version}, {cost}"
        if each.is_built:
            yield f"        {' -> '.join(each.chain) or 'nothing in this layer requires it'}"


def _cost(presence: "Presence") -> str:
    from venvstacks.humanize import size_text  # noqa: PLC0415 - help must be quick

    return size_text(presence.size) if presence.is_built else "not built"
