"""``venvstacks build``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli.common import (
    gathered,
    load,
    located,
    made_for,
    matched,
    matched_resets,
    options,
    print_plan,
    print_result,
    shown,
    warn,
)
from venvstacks.cli.options import (
    Archiving,
    Caching,
    Finding,
    Locking,
    Publishing,
    Selecting,
    Showing,
    Updates,
    Working,
    archive_options,
    bytecode_option,
    cache_options,
    delta_options,
    find_options,
    lock_options,
    output_dir_option,
    platform_option,
    publish_options,
    selection_options,
    show_options,
    spec_argument,
    verbosity_options,
    work_options,
)
from venvstacks.cli.publish import print_published, publish_settings
from venvstacks.errors import UsageError
from venvstacks.events import Event, Finished, Observer, Step
from venvstacks.wording import counted

if TYPE_CHECKING:
    from venvstacks.spec.model import Bytecode, Stack


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Build names of the layers for each step."""

    build: frozenset[str]
    publish: frozenset[str]


@click.command()
@spec_argument
@output_dir_option("_artifacts")
@click.option("--clean", is_flag=True, help="Make layers anew, whatever stands in the build folder.")
@click.option(
    "--check-binaries/--no-check-binaries", default=True, help="See that native files fit the layers' target."
)
@click.option("--lock-if-needed", "--lock", "lock", is_flag=True, help="Lock first what has no valid lock.")
@click.option("--build/--no-build", default=True, help="Build layers, or go on with those that are built.")
@click.option("--publish", is_flag=True, help="Publish the layers as well.")
@selection_options
@platform_option
@bytecode_option
@lock_options
@click.option("--build-dependencies", is_flag=True, help="Build those below the included layers, too.")
@click.option("--build-derived", is_flag=True, help="Build those on top of the included layers, too.")
@publish_options
@click.option(
    "--include-dependencies/--no-include-dependencies",
    default=None,
    help="Do everything to the layers below the included ones, too; or nothing but what is needed.",
)
@archive_options
@delta_options
@find_options
@show_options
@cache_options
@work_options
@verbosity_options
def build(
    *,
    spec: Path,
    output_dir: Path,
    clean: bool,
    check_binaries: bool,
    lock: bool,
    build: bool,
    publish: bool,
    selecting: Selecting,
    platforms: tuple[str, ...],
    bytecode: "Bytecode | None",
    locking: Locking,
    build_dependencies: bool,
    build_derived: bool,
    publishing: Publishing,
    include_dependencies: bool | None,
    archiving: Archiving,
    updates: Updates,
    finding: Finding,
    showing: Showing,
    caching: Caching,
    working: Working,
) -> None:
    """Build layers for this machine's platform, or for any others; nothing of these is executed.

    Layers below an included one are built if they are needed and not built yet. A build with nothing to do
    does nothing.

    \b
    Example:
      venvstacks build --lock --publish --platform all
    """
    from venvstacks.selection import extended  # noqa: PLC0415

    _refuse_contradictions(
        include_dependencies,
        {
            "--lock-dependencies": locking.lock_dependencies,
            "--build-dependencies": build_dependencies,
            "--publish-dependencies": publishing.publish_dependencies,
        },
    )
    _refuse_idle(locking, updates, lock=lock, publish=publish)
    stack = load(spec, finding.local_runtime, bytecode)
    if not (lock or build or publish):
        warn("--no-build leaves nothing to do without --lock-if-needed or --publish.")
    everything = bool(include_dependencies)
    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    chosen = _choose(
        stack,
        included,
        Publishing(everything or publishing.publish_dependencies, publishing.publish_derived),
        build_dependencies=everything or build_dependencies,
        build_derived=build_derived,
    )
    dependencies = everything or locking.lock_dependencies
    lockable = extended(stack, included, dependencies=dependencies, derived=True)
    reset = matched_resets(stack, locking.reset_lock, lockable, selecting)
    targets = made_for(stack, chosen.build | chosen.publish, platforms)[0] if build or publish else ()
    resolved = frozenset[str]()
    # whatever is used needs valid locks all the way down
    used = chosen.build if build else {*chosen.build, *chosen.publish}
    locking_for = extended(stack, {*used, *reset}, dependencies=True, derived=False)
    if lock and (showing.show or showing.stops):  # building makes this plan by itself
        plan = venvstacks.plan_locking(stack, include=locking_for, reset=reset, if_needed=True)
        resolved = frozenset(item.layer.build_name for item in plan.layers if item.resolve)
    steps = {
        "lock": resolved,
        "build": made_for(stack, chosen.build, platforms)[1] if build else frozenset[str](),
        "publish": made_for(stack, chosen.publish, platforms)[1] if publish else frozenset[str](),
    }
    if print_plan(stack, gathered(stack, **steps), showing, targets) or not included:
        return
    with options(working, finding, caching, clean=clean, check_binaries=check_binaries) as how:
        made = _Made(how.observe)
        how = replace(how, observe=made)  # noqa: PLW2901
        if lock and not build:
            venvstacks.lock(stack, include=locking_for, reset=reset, if_needed=True, options=how)
        if build:
            built = venvstacks.build(
                stack, include=chosen.build, platforms=platforms, lock_if_needed=lock, reset=reset, options=how
            )
        if publish:
            settings = publish_settings(output_dir, archiving, updates)
            results = venvstacks.publish(stack, settings, include=chosen.publish, platforms=platforms, options=how)
    if build:
        folder = shown(located(stack, working.build_dir))
        print_result(f"{counted(len(built), 'layer')} in {folder}, {len(made.layers)} built", showing)
    if publish:
        print_published(results, showing)


class _Made:
    """Passes events on, and keeps which layers were built for which platforms.

    Args:
        observe: Told of every event.
    """

    def __init__(self, observe: Observer) -> None:
        self.layers: set[tuple[str, str]] = set()
        self._observe = observe

    def __call__(self, event: Event) -> None:
        if isinstance(event, Finished) and event.step is Step.BUILD and event.changed:
            self.layers.add((event.platform, event.layer))
        self._observe(event)


def _refuse_contradictions(include_dependencies: bool | None, wishes: Mapping[str, bool]) -> None:  # noqa: FBT001
    asked = [name for name, wanted in wishes.items() if wanted]
    if include_dependencies is False and asked:
        verb = "includes" if len(asked) == 1 else "include"
        raise UsageError(f"{' and '.join(asked)} {verb} layers that --no-include-dependencies excludes.")


def _refuse_idle(locking: Locking, updates: Updates, *, lock: bool, publish: bool) -> None:
    """Refuse options that would do nothing."""
    if locking.reset_lock and not lock:
        raise UsageError("--reset-lock only has a meaning when layers are locked.", hint="add --lock-if-needed")
    if (updates.delta_from or updates.deltas) and not publish:
        raise UsageError("Deltas are made of what is published.", hint="add --publish")


def _choose(
    stack: "Stack",
    included: frozenset[str],
    publishing: Publishing,
    *,
    build_dependencies: bool,
    build_derived: bool,
) -> _Chosen:
    from venvstacks.selection import extended  # noqa: PLC0415 - help must be quick

    build = extended(stack, included, dependencies=build_dependencies, derived=build_derived)
    publish = extended(
        stack, included, dependencies=publishing.publish_dependencies, derived=publishing.publish_derived
    )
    return _Chosen(build, publish)
