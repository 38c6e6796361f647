"""``venvstacks cache``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli.common import print_json, print_result
from venvstacks.errors import UsageError
from venvstacks.humanize import counted, read_size, size_text

if TYPE_CHECKING:
    from venvstacks.archives.frame_cache import FrameCache

_folder_option = click.option(
    "--cache-dir",
    type=option.FOLDER,
    metavar="DIR",
    help="Cache folder, relative to the current folder (default: the user's cache folder).",
)


@click.group()
@option.verbosity
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
@option.json
@option.verbosity
def info(*, cache_dir: Path | None, as_json: bool) -> None:
    """Show where the cache is, its size and limit.

    \b
    Example:
      venvstacks cache info --json
    """
    with _open_cache(cache_dir, "read") as found:
        count, size = found.measure()
    if as_json:
        print_json({"folder": str(found.folder), "count": count, "size": size, "limit": found.limit})
    else:
        click.echo(f"{found.folder}: {_describe(count, size)}, limit {size_text(found.limit)}")


@cache.command()
@_folder_option
@click.option(
    "--limit", metavar="SIZE", help="Size to keep, such as 2GB (default: VENVSTACKS_CACHE_LIMIT, or 10GB)."
)
@option.verbosity
def prune(*, cache_dir: Path | None, limit: str | None) -> None:
    """Remove the least recently used parts above the limit.

    \b
    Example:
      venvstacks cache prune --limit 500MB
    """
    with _open_cache(cache_dir, "remove parts of") as found:
        try:
            keep = found.limit if limit is None else read_size(limit)
        except ValueError:
            raise UsageError(
                f"--limit {limit} is not a size.", hint="a size is a number of bytes, or one with kB, MB or GB"
            ) from None
        removed = found.prune(keep)
    print_result(f"removed {_describe(*removed)}")


@cache.command()
@_folder_option
@option.verbosity
def clear(*, cache_dir: Path | None) -> None:
    """Remove the whole cache.

    \b
    Example:
      venvstacks cache clear
    """
    with _open_cache(cache_dir, "remove") as found:
        removed = found.clear()
    print_result(f"removed {_describe(*removed)}")


@contextmanager
def _open_cache(folder: Path | None, doing: str) -> Iterator["FrameCache"]:
    """Return the cache; an OSError meanwhile is explained as one of doing something with it."""
    from venvstacks.archives.frame_cache import open_frame_cache  # noqa: PLC0415 - help must be quick
    from venvstacks.file_names import expanded  # noqa: PLC0415
    from venvstacks.files import explain_os_errors  # noqa: PLC0415

    found = open_frame_cache(None if folder is None else expanded(folder).absolute(), os.environ)
    with explain_os_errors(f"{doing} the cache in {found.folder}"):
        yield found


def _describe(count: int, size: int) -> str:
    return f"{counted(count, 'part')}, {size_text(size)}"
