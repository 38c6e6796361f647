"""``venvstacks diff``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli.common import print_json
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from venvstacks.archives.byte_comparison import ByteDifference
    from venvstacks.differences.changes import Difference, Fetch, LayerDifference, PackageChange

_MARKS = {"added": "+", "removed": "-", "changed": "~"}


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@option.flag("--bytes", "as_bytes", help="Show which archive entries differ, and in which bytes.")
@option.json
@option.verbosity
def diff(*, old: Path, new: Path, as_bytes: bool, as_json: bool) -> None:
    """Show what changed between archives, releases or locks.

    OLD and NEW are archives with their indexes beside them, output folders of `venvstacks publish`, manifests in
    such folders, pylock files, or requirements folders. The size that a client with OLD has to download is shown
    as well; with -v, so are files. With --bytes, both are archives or folders with archives.

    \b
    Example:
      venvstacks diff release-1.0/_artifacts _artifacts
    """
    # help must be quick
    from venvstacks.differences.compare import find_byte_differences, find_differences  # noqa: PLC0415
    from venvstacks.file_names import expanded  # noqa: PLC0415

    old, new = expanded(old), expanded(new)
    if as_bytes:
        found = find_byte_differences(old, new)
        if as_json:
            print_json([_byte_data(difference) for difference in found])
        else:
            for place in found:
                click.echo(str(place))
        return
    difference = find_differences(old, new)
    if as_json:
        print_json(difference.as_json())
    else:
        for line in _lines(difference, verbose=option.get_verbosity() > 0):
            click.echo(line)


def _byte_data(difference: "ByteDifference") -> dict[str, object]:
    values = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in (("one", difference.one), ("two", difference.two))
    }
    return {"where": difference.where, "offset": difference.offset, **values}


def _lines(difference: "Difference", *, verbose: bool) -> Iterator[str]:
    unchanged = sum(layer.status.value == "unchanged" for layer in difference.layers)
    for layer in difference.layers:
        if verbose or layer.status.value != "unchanged":
            yield from _layer(layer, verbose=verbose)
    if unchanged == len(difference.layers):
        yield "nothing has changed"
    elif unchanged and not verbose:
        yield f"{counted(unchanged, 'layer')} unchanged"
    if difference.archives:
        yield (
            f"a client with the old layers fetches {size_text(difference.least)}; "
            f"all archives that are new have {size_text(difference.archives)}"
        )


def _layer(layer: "LayerDifference", *, verbose: bool) -> Iterator[str]:
    yield "  ".join(filter(None, (layer.name, layer.platform, layer.status.value)))
    for change in layer.packages or ():
        yield f"  {_package(change)}"
    if layer.files is not None:
        yield f"  {_sums(layer)}"
        if verbose:
            for file in layer.files:
                yield f"    {_MARKS[file.status.value]} {file.path}  {size_text(file.size)}"
    if layer.fetch is not None:
        yield f"  to fetch: {_sizes(layer.fetch)}"


def _package(change: "PackageChange") -> str:
    if change.old is None:
        return f"+ {change.name} {change.new}"
    if change.new is None:
        return f"- {change.name} {change.old}"
    if change.old == change.new:
        return f"~ {change.name} {change.new} (other files)"
    return f"~ {change.name} {change.old} -> {change.new}"


def _sums(layer: "LayerDifference") -> str:
    parts = [
        f"{count} {status.value} ({size_text(size)})" for status, (count, size) in layer.sums().items() if count
    ]
    only_time = not parts and layer.status.value == "changed"
    unchanged = f"{layer.unchanged_files} unchanged" + (" but for their time" if only_time else "")
    return "files: " + ", ".join([*parts, unchanged])


def _sizes(fetch: "Fetch") -> str:
    sizes = (("archive", fetch.archive), ("missing frames", fetch.frames), ("delta", fetch.delta))
    return ", ".join(f"{name} {size_text(size)}" for name, size in sizes if size is not None)
