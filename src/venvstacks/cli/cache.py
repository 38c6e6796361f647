"""``venvstacks cache``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from venvstacks.cli.common import print_json
from venvstacks.cli.option_groups import FOLDER, json_option, verbosity, verbosity_options
from venvstacks.errors import UsageError
from venvstacks.humanize import counted, read_size, size_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from venvstacks.archives.frame_cache import CacheSize, FrameCache

_folder_option = click.option(
    "--cache-dir",
    type=FOLDER,
    metavar="DIR",
    help="Cache folder, relative to the current folder (default: the user's cache folder).",
)


@click.group()
@verbosity_options
def cache() -> None:
    """Manage the cache of compressed archive parts.

    The cache makes publishing again faster. It may be removed at any time: archives will have the same content but
    take longer to create. (For uv's own cache see `uv cache`.)

    \b
    Example:
      venvstacks cache prune --limit 2GB
    """


@cache.command()
@_folder_option
@json_option
@verbosity_options
def info(*, cache_dir: Path | None, as_json: bool) -> None:
    """Show where the cache is, its size and limit.

    \b
    Example:
      venvstacks cache info --json
    """
    found = _cache(cache_dir)
    size = _explained(found.measure, f"read the cache in {found.folder}")
    if as_json:
        print_json({"folder": str(found.folder), "count": size.count, "size": size.size, "limit": found.limit})
    else:
        click.echo(f"{found.folder}: {_words(size)}, limit {size_text(found.limit)}")


@cache.command()
@_folder_option
@click.option(
    "--limit", metavar="SIZE", help="Size to keep, such as 2GB (default: VENVSTACKS_CACHE_LIMIT, or 10GB)."
)
@verbosity_options
def prune(*, cache_dir: Path | None, limit: str | None) -> None:
    """Remove the least recently used parts above the limit.

    \b
    Example:
      venvstacks cache prune --limit 500MB
    """
    found = _cache(cache_dir)
    try:
        keep = found.limit if limit is None else read_size(limit)
    except ValueError:
        raise UsageError(
            f"--limit {limit} is not a size.", hint="a size is a number of bytes, or one with kB, MB or GB"
        ) from None
    removed = _explained(lambda: found.prune(keep), f"remove parts of the cache in {found.folder}")
    _tell(f"removed {_words(removed)}")


@cache.command()
@_folder_option
@verbosity_options
def clear(*, cache_dir: Path | None) -> None:
    """Remove the whole cache.

    \b
    Example:
      venvstacks cache clear
    """
    found = _cache(cache_dir)
    removed = _explained(found.clear, f"remove the cache in {found.folder}")
    _tell(f"removed {_words(removed)}")


def _cache(folder: Path | None) -> "FrameCache":
    from venvstacks.archives.cache_place import frame_cache  # noqa: PLC0415 - help must be quick

    return frame_cache(None if folder is None else folder.expanduser().absolute(), os.environ)


def _explained(run: "Callable[[], CacheSize]", doing: str) -> Any:  # noqa: ANN401 - what it gives
    from venvstacks.files import explain_os_error  # noqa: PLC0415 - as above

    try:
        return run()
    except OSError as error:
        raise explain_os_error(error, doing) from error


def _words(size: "CacheSize") -> str:
    return f"{counted(size.count, 'part')}, {size_text(size.size)}"


def _tell(text: str) -> None:
    if verbosity() >= 0:
        click.echo(text)
