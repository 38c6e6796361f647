"""Options that several commands have."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import venvstacks

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]
FOLDER = click.Path(path_type=Path)
"""A folder; what is there is looked at where the path is resolved, from the definition's folder."""


@dataclass(slots=True)
class Verbosity:
    """How much the user wants to read: negative for errors only, more than 0 for details."""

    level: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which layers and platforms; each field is the option of that name, None if it was not given."""

    include: tuple[str, ...]
    allow_missing: bool
    platforms: tuple[str, ...] = ()
    include_dependencies: bool | None = None
    reset_lock: tuple[str, ...] = ()
    lock_dependencies: bool | None = None
    build_dependencies: bool | None = None
    build_derived: bool = False
    publish_dependencies: bool | None = None
    publish_derived: bool = False


@dataclass(frozen=True, slots=True)
class Showing:
    """What is printed of the plan; each field is the option of that name."""

    show: bool
    show_only: bool
    as_json: bool
    dry_run: bool = False

    @property
    def stops(self) -> bool:
        """Whether nothing is done but printing layers and their operations."""
        return self.show_only or (self.as_json and not self.show and not self.dry_run)

    @property
    def prints_layers(self) -> bool:
        """Whether layers and their operations are printed; the only data of a dry run is its plan."""
        return self.stops or (self.show and not (self.as_json and self.dry_run))


def group(*options: Decorator) -> Decorator:
    """Make a decorator that adds options in this order."""
    return lambda command: functools.reduce(
        lambda decorated, option: option(decorated), reversed(options), command
    )


def collect(**kinds: type[Any] | str) -> Decorator:
    """Make a decorator that collects options that are named like the fields of a type into one value of it.

    Keys are names of the command's arguments. A type of the API is given by its name in ``venvstacks``, and
    imported when the command runs, as help must be quick. An option that is None leaves the field at its default.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapper(**values: Any) -> Any:  # noqa: ANN401 - click hands out what was asked for
            for argument, named in kinds.items():
                kind = getattr(venvstacks, named) if isinstance(named, str) else named
                found = {name: values.pop(name) for name in kind.__annotations__ if name in values}
                values[argument] = kind(**{name: value for name, value in found.items() if value is not None})
            return command(**values)

        return wrapper

    return decorate


def flag(
    *names: str,
    help: str,  # noqa: A002 - as click calls it
    default: bool | None = False,
) -> Decorator:
    """Add an option that is said or, with ``--no-``, denied; the last one on the command line counts."""
    pairs = [f"{name}/--no-{name.removeprefix('--')}" if name.startswith("--") else name for name in names]
    return click.option(*pairs, default=default, help=help)


def _change_verbosity(context: click.Context, parameter: click.Parameter, value: int) -> None:
    found = context.find_root().ensure_object(Verbosity)
    found.level += -value if parameter.name == "quiet" else value


def get_verbosity() -> int:
    """Return how much the user wants to read: negative for errors only, more than 0 for details."""
    return click.get_current_context().find_root().ensure_object(Verbosity).level


def _verbosity_option(*names: str, help: str) -> Decorator:  # noqa: A002 - as click calls it
    return click.option(*names, count=True, expose_value=False, callback=_change_verbosity, help=help)


verbosity = group(
    _verbosity_option("-v", "--verbose", help="Increase verbosity; may be repeated."),
    _verbosity_option("-q", "--quiet", help="Only print errors."),
)


json = flag("--json", "as_json", help="Output JSON.")
spec = click.argument("spec", default="venvstacks.toml", type=click.Path(path_type=Path))
build_dir = click.option(
    "--build-dir",
    type=FOLDER,
    default=Path("_build"),
    show_default=True,
    help="Build folder, relative to the definition's folder.",
)


def jobs(what: str) -> Decorator:
    """Add --jobs, for a number of something."""
    return click.option(
        "--jobs", "-j", type=click.IntRange(min=1), metavar="N", help=f"{what} (default: number of processors)."
    )


def output_dir(default: str) -> Decorator:
    """Add --output-dir."""
    return click.option(
        "--output-dir",
        "output",
        type=FOLDER,
        default=Path(default),
        show_default=True,
        help="Output folder, relative to the definition's folder.",
    )


def _complete_platform(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    del context, parameter
    from venvstacks.platforms.targets import TARGETS  # noqa: PLC0415 - help must be quick
    from venvstacks.selection import PLATFORM_WORDS  # noqa: PLC0415

    return [name for name in (*PLATFORM_WORDS, *TARGETS) if name.startswith(incomplete)]


platform = click.option(
    "--platform",
    "platforms",
    multiple=True,
    default=("host",),
    show_default=True,
    metavar="NAME",
    shell_complete=_complete_platform,
    help="Target platform: a name such as win_amd64, host or all; may be repeated.",
)

selection = group(
    click.option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="Only include layers whose build names match, such as 'app-*'; may be repeated.",
    ),
    flag("--allow-missing", help="Warn instead of failing when a pattern matches no layer."),
    collect(selection=Selection),
)

showing = group(
    flag("--show", help="Print the selected layers and their operations first."),
    flag("--show-only", help="Print the selected layers and their operations, and exit."),
    flag("--json", "as_json", help="Output the plan as JSON, and exit unless --show is given."),
    collect(showing=Showing),
)

project = group(
    spec,
    selection,
    showing,
    build_dir,
    jobs("Maximum number of layers to process at once"),
    flag("--wait", default=True, help="Wait while another run uses the same folders, instead of failing."),
    verbosity,
    collect(options="Options"),
)
"""What all commands have that lock, build or publish."""

sources = group(
    click.option("--no-index/--index", help="Only use local wheels, no package indexes."),
    click.option(
        "--local-wheels",
        type=FOLDER,
        multiple=True,
        metavar="DIR",
        help="Folder of wheels, relative to the definition's folder; may be repeated.",
    ),
    click.option(
        "--local-runtime",
        type=click.Choice(["never", "fallback", "always"]),
        help="When to use an interpreter of this machine as a runtime "
        "(default: the definition's setting, or never).",
    ),
)

cache_dir = click.option(
    "--cache-dir",
    type=FOLDER,
    metavar="DIR",
    help="Cache downloads in DIR/uv and compressed archive parts in DIR/frames; relative to the definition's "
    "folder (default: uv's own cache, and the user's cache folder).",
)

locking = group(
    click.option(
        "--reset-lock",
        multiple=True,
        metavar="PATTERN",
        help="Ignore the earlier pins of matching layers; may be repeated.",
    ),
    flag("--lock-dependencies", default=None, help="Also lock the layers below the included ones."),
)

outputs = group(
    platform,
    click.option(
        "--bytecode",
        type=click.Choice(["none", "ship"]),
        help="Whether layers contain compiled bytecode (default: the definition's setting, or none).",
    ),
    flag("--publish-dependencies", default=None, help="Also publish the layers below the included ones."),
    flag("--publish-derived", help="Also publish the layers that depend on the included ones."),
)
"""What all commands have whose results are for one platform."""


archives = group(
    flag("--tag-outputs", help="Add platform and build number to file names."),
    click.option(
        "--format",
        type=click.Choice(["tar.zst", "tar.xz", "tar.gz", "zip"]),
        help="Archive format (default: the definition's setting, or tar.zst).",
    ),
    click.option(
        "--compression",
        type=click.Choice(["fast", "balanced", "best"]),
        help="Trade-off between speed and archive size (default: balanced).",
    ),
    click.option(
        "--compression-level",
        "level",
        type=int,
        metavar="N",
        help="Compression level of the format, instead of --compression.",
    ),
    click.option(
        "--delta-from",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="DIR_OR_MANIFEST",
        help="Create deltas from an earlier publication (an output folder or a manifest in it), relative to "
        "the definition's folder; may be repeated.",
    ),
    click.option(
        "--deltas",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Create deltas from the last N builds of each layer in the output folder.",
    ),
)

updating = group(
    flag("--force", help="Create outputs again even if nothing has changed."),
    flag("--dry-run", help="Print what would be done without doing it."),
)
