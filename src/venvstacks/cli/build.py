"""``venvstacks build``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli.common import (
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
from venvstacks.cli.option_groups import (
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
    flag,
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
from venvstacks.humanize import counted

if TYPE_CHECKING:
    from venvstacks.definition.stack import Bytecode


@click.command()
@spec_argument
@output_dir_option("_artifacts")
@flag("--clean", help="Rebuild all layers, and create their archives again.")
@flag("--check-binaries", default=True, help="Check that the target can use native files.")
@flag("--strict", default=None, help="Treat warnings about layers as errors (default: the definition's setting).")
@flag("--lock-if-needed", "--lock", "lock", help="First lock layers that have no valid lock.")
@flag("--build", default=True, help="Build layers, or use those that are built already.")
@flag("--publish", help="Also publish the layers.")
@selection_options
@platform_option
@bytecode_option
@lock_options
@flag("--build-dependencies", default=None, help="Also build the layers below the included ones.")
@flag("--build-derived", help="Also build the layers that depend on the included ones.")
@publish_options
@flag(
    "--include-dependencies",
    default=None,
    help="Also apply every operation to the layers below the included ones, or only what they need.",
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
    strict: bool | None,
    lock: bool,
    build: bool,
    publish: bool,
    selecting: Selecting,
    platforms: tuple[str, ...],
    bytecode: "Bytecode | None",
    locking: Locking,
    build_dependencies: bool | None,
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
    """Build layers for one or more platforms.

    Layers for other platforms than this machine's are built without executing anything of them. Layers below an
    included one are built if they are needed and not up to date.

    \b
    Example:
      venvstacks build --lock --publish --platform all
    """
    from venvstacks.selection import extended  # noqa: PLC0415

    dependencies = _dependencies(
        include_dependencies,
        lock=locking.lock_dependencies,
        build=build_dependencies,
        publish=publishing.publish_dependencies,
    )
    _check_use(locking, updates, lock=lock, build=build, publish=publish)
    stack = load(spec, finding.local_runtime, bytecode)
    included = matched(stack, selecting.include, allow_missing=selecting.allow_missing)
    to_build = extended(stack, included, dependencies=dependencies["build"], derived=build_derived)
    to_publish = extended(
        stack, included, dependencies=dependencies["publish"], derived=publishing.publish_derived
    )
    lockable = extended(stack, included, dependencies=dependencies["lock"], derived=True)
    reset = matched_resets(stack, locking.reset_lock, lockable, selecting)
    targets = made_for(stack, to_build | to_publish, platforms)[0] if build or publish else ()
    resolved = frozenset[str]()
    # whatever is used needs valid locks all the way down
    used = to_build if build else to_build | to_publish
    locking_for = extended(stack, {*used, *reset}, dependencies=True, derived=False)
    if lock and (showing.show or showing.stops):  # building makes this plan by itself
        plan = venvstacks.plan_locking(stack, include=locking_for, reset=reset, if_needed=True)
        resolved = frozenset(item.layer.build_name for item in plan.layers if item.resolve)
    steps = {"reset-lock": reset & resolved, "lock": resolved}
    if build:
        needed = extended(stack, to_build, dependencies=True, derived=False)
        steps["build"] = made_for(stack, to_build, platforms)[1]
        steps["build-if-needed"] = made_for(stack, needed, platforms)[1] - to_build
    if publish:
        steps["publish"] = made_for(stack, to_publish, platforms)[1]
    if print_plan(stack, included, steps, showing, targets) or not included:
        return
    with options(working, finding, caching, clean=clean, check_binaries=check_binaries, strict=strict) as how:
        made = _Made(how.observe)
        how = replace(how, observe=made)  # noqa: PLW2901
        if lock and not build:
            venvstacks.lock(stack, include=locking_for, reset=reset, if_needed=True, options=how)
        if build:
            built = venvstacks.build(
                stack, include=to_build, platforms=platforms, lock_if_needed=lock, reset=reset, options=how
            )
        if publish:
            settings = publish_settings(output_dir, archiving, updates, force=clean)
            results = venvstacks.publish(stack, settings, include=to_publish, platforms=platforms, options=how)
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


def _dependencies(everywhere: bool | None, **steps: bool | None) -> dict[str, bool]:  # noqa: FBT001
    """Return the steps that are also for the layers below the included ones."""
    opposed = [step for step, wanted in steps.items() if None not in {wanted, everywhere} and wanted != everywhere]
    if opposed:
        no, other_no = ("no-", "") if everywhere else ("", "no-")
        raise UsageError(
            f"{' and '.join(f'--{no}{step}-dependencies' for step in opposed)} cannot be used with "
            f"--{other_no}include-dependencies: one includes layers that the other excludes."
        )
    return {step: bool(everywhere if wanted is None else wanted) for step, wanted in steps.items()}


def _check_use(locking: Locking, updates: Updates, *, lock: bool, build: bool, publish: bool) -> None:
    """Refuse options that would do nothing, and warn if there is nothing to do at all."""
    if locking.reset_lock and not lock:
        raise UsageError("--reset-lock only has a meaning when layers are locked.", hint="add --lock-if-needed")
    if (updates.delta_from or updates.deltas) and not publish:
        raise UsageError("Deltas are made of what is published.", hint="add --publish")
    if not (lock or build or publish):
        warn("--no-build leaves nothing to do without --lock-if-needed or --publish.")
