"""Options that several commands have, handed to them in groups."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import click

Command = Callable[..., Any]
FOLDER = click.Path(path_type=Path)
"""A folder; what is there is looked at where the path is resolved, from the definition's folder."""


@dataclass(slots=True)
class Verbosity:
    """How much the user wants to read: negative for errors only, more than 0 for details."""

    level: int = 0


@dataclass(frozen=True, slots=True)
class Selecting:
    """Which layers: ``--include``, ``--allow-missing``."""

    include: tuple[str, ...]
    allow_missing: bool


@dataclass(frozen=True, slots=True)
class Showing:
    """What is printed of the plan: ``--show``, ``--show-only``, ``--json``."""

    show: bool
    show_only: bool
    as_json: bool

    @property
    def stops(self) -> bool:
        """Whether nothing is done but printing."""
        return self.show_only or (self.as_json and not self.show)

    def beside(self, updating: "Updating") -> "Showing":
        """Return what is printed of the selection: with ``--dry-run``, data is of what would be done."""
        if not updating.dry_run or not self.as_json or self.show_only:
            return self
        return Showing(show=False, show_only=False, as_json=False)


@dataclass(frozen=True, slots=True)
class Working:
    """How work is done: ``--build-dir``, ``--jobs``, ``--wait``."""

    build_dir: Path
    jobs: int | None
    wait: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Where wheels and Pythons come from."""

    index: bool
    local_wheels: tuple[Path, ...]
    local_runtime: Literal["never", "fallback", "always"] | None


@dataclass(frozen=True, slots=True)
class Locking:
    """How far locking goes: ``--reset-lock``, ``--lock-dependencies``."""

    reset_lock: tuple[str, ...]
    lock_dependencies: bool | None


@dataclass(frozen=True, slots=True)
class Publishing:
    """How far publishing goes: ``--publish-dependencies``, ``--publish-derived``."""

    publish_dependencies: bool | None
    publish_derived: bool


@dataclass(frozen=True, slots=True)
class Archiving:
    """What archives are like: ``--tag-outputs``, ``--format``, ``--compression``, ``--compression-level``."""

    tag_outputs: bool
    archive_format: str | None
    compression: str | None
    compression_level: int | None


@dataclass(frozen=True, slots=True)
class Updates:
    """What deltas lead from: ``--delta-from``, ``--deltas``."""

    delta_from: tuple[Path, ...]
    deltas: int


@dataclass(frozen=True, slots=True)
class Caching:
    """What is kept between runs: ``--cache-dir``."""

    cache_dir: Path | None


@dataclass(frozen=True, slots=True)
class Updating:
    """What is done about outputs that are there: ``--force``, ``--dry-run``."""

    force: bool
    dry_run: bool


def _group(name: str, kind: type[Any], *options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Make a decorator that adds options and hands them over as one value."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapper(**values: Any) -> Any:  # noqa: ANN401 - click hands out what was asked for
            group = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            return command(**values, **{name: group})

        decorated: Command = wrapper
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def flag(
    *names: str,
    help: str,  # noqa: A002 - as click calls it
    default: bool | None = False,
) -> Callable[[Command], Command]:
    """Add an option that is said or, with ``--no-``, denied; the last one on the command line counts."""
    pairs = [f"{name}/--no-{name.removeprefix('--')}" if name.startswith("--") else name for name in names]
    return click.option(*pairs, default=default, help=help)


json_option = flag("--json", "as_json", help="Output JSON.")


def spec_argument(command: Command) -> Command:
    """Add SPEC."""
    return click.argument("spec", default="venvstacks.toml", type=click.Path(path_type=Path))(command)


def build_dir_option(command: Command) -> Command:
    """Add --build-dir."""
    return click.option(
        "--build-dir",
        type=FOLDER,
        default=Path("_build"),
        show_default=True,
        help="Build folder, relative to the definition's folder.",
    )(command)


def jobs_option(what: str) -> Callable[[Command], Command]:
    """Add --jobs, for a number of something."""
    return click.option(
        "--jobs", "-j", type=click.IntRange(min=1), metavar="N", help=f"{what} (default: number of processors)."
    )


def output_dir_option(default: str) -> Callable[[Command], Command]:
    """Add --output-dir."""
    return click.option(
        "--output-dir",
        type=FOLDER,
        default=Path(default),
        show_default=True,
        help="Output folder, relative to the definition's folder.",
    )


bytecode_option = click.option(
    "--bytecode",
    type=click.Choice(["none", "ship"]),
    help="Whether layers contain compiled bytecode (default: the definition's setting, or none).",
)


platform_option = click.option(
    "--platform",
    "platforms",
    multiple=True,
    default=("host",),
    show_default=True,
    metavar="NAME",
    shell_complete=lambda *arguments: _complete_platform(arguments[-1]),
    help="Target platform: a name such as win_amd64, host or all; may be repeated.",
)


def _complete_platform(incomplete: str) -> list[str]:
    from venvstacks.platforms.targets import TARGETS  # noqa: PLC0415 - help must be quick
    from venvstacks.selection import PLATFORM_WORDS  # noqa: PLC0415

    return [name for name in (*PLATFORM_WORDS, *TARGETS) if name.startswith(incomplete)]


selection_options = _group(
    "selecting",
    Selecting,
    click.option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="Only include layers whose build names match, such as 'app-*'; may be repeated.",
    ),
    flag("--allow-missing", help="Warn instead of failing when a pattern matches no layer."),
)

show_options = _group(
    "showing",
    Showing,
    flag("--show", help="Print the selected layers and their operations first."),
    flag("--show-only", help="Print the selected layers and their operations, and exit."),
    flag("--json", "as_json", help="Output the plan as JSON, and exit unless --show is given."),
)

work_options = _group(
    "working",
    Working,
    build_dir_option,
    jobs_option("Maximum number of layers to process at once"),
    flag("--wait", default=True, help="Wait while another run uses the build folder, instead of failing."),
)

find_options = _group(
    "finding",
    Finding,
    flag("--index", default=True, help="Use package indexes, or only local wheels."),
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

cache_options = _group(
    "caching",
    Caching,
    click.option(
        "--cache-dir",
        type=FOLDER,
        metavar="DIR",
        help="Cache downloads in DIR/uv and compressed archive parts in DIR/frames; relative to the definition's "
        "folder (default: uv's own cache, and the user's cache folder).",
    ),
)

lock_options = _group(
    "locking",
    Locking,
    click.option(
        "--reset-lock",
        multiple=True,
        metavar="PATTERN",
        help="Ignore the earlier pins of matching layers; may be repeated.",
    ),
    flag("--lock-dependencies", default=None, help="Also lock the layers below the included ones."),
)

publish_options = _group(
    "publishing",
    Publishing,
    flag("--publish-dependencies", default=None, help="Also publish the layers below the included ones."),
    flag("--publish-derived", help="Also publish the layers that depend on the included ones."),
)

archive_options = _group(
    "archiving",
    Archiving,
    flag("--tag-outputs", help="Add platform and build number to file names."),
    click.option(
        "--format",
        "archive_format",
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
        type=int,
        metavar="N",
        help="Compression level of the format, instead of --compression.",
    ),
)

delta_options = _group(
    "updates",
    Updates,
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

update_options = _group(
    "updating",
    Updating,
    flag("--force", help="Create outputs again even if nothing has changed."),
    flag("--dry-run", help="Print what would be done without doing it."),
)


def _change_verbosity(context: click.Context, parameter: click.Parameter, value: int) -> None:
    verbosity = context.find_root().ensure_object(Verbosity)
    verbosity.level += -value if parameter.name == "quiet" else value


def verbosity() -> int:
    """Return how much the user wants to read: negative for errors only, more than 0 for details."""
    return click.get_current_context().find_root().ensure_object(Verbosity).level


def verbosity_options(command: Command) -> Command:
    """Add -v and -q."""
    verbose = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_change_verbosity,
        help="Increase verbosity; may be repeated.",
    )
    quiet = click.option(
        "-q", "--quiet", count=True, expose_value=False, callback=_change_verbosity, help="Only print errors."
    )
    return verbose(quiet(command))
