"""``venvstacks build``."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvstacks.cli import option_groups as option
from venvstacks.cli.common import (
    open_project,
    print_plan,
    print_result,
    select,
    select_resets,
    select_targets,
    shorten,
    warn,
)
from venvstacks.cli.publish import print_published
from venvstacks.errors import UsageError
from venvstacks.events import Event, Finished, Observer, Step
from venvstacks.humanize import counted

if TYPE_CHECKING:
    from venvstacks.definition.stack import Bytecode, LocalRuntime
    from venvstacks.options import Options, PublishSettings


@click.command()
@option.output_dir("_artifacts")
@option.flag("--clean", help="Rebuild all layers, and create their archives again.")
@option.flag("--check-binaries", default=True, help="Check that the target can use native files.")
@option.flag("--strict", default=None, help="Treat warnings about layers as errors (default: as defined).")
@option.flag("--lock-if-needed", "--lock", "lock", help="First lock layers that have no valid lock.")
@option.flag("--build", default=True, help="Build layers, or use those that are built already.")
@option.flag("--publish", help="Also publish the layers.")
@option.outputs
@option.locking
@option.flag("--build-dependencies", default=None, help="Also build the layers below the included ones.")
@option.flag("--build-derived", help="Also build the layers that depend on the included ones.")
@option.flag(
    "--include-dependencies",
    default=None,
    help="Also apply every operation to the layers below the included ones, or only what they need.",
)
@option.archives
@option.sources
@option.cache_dir
@option.project
@option.collect(publishing="PublishSettings")
def build(
    *,
    spec: Path,
    publishing: "PublishSettings",
    lock: bool,
    build: bool,
    publish: bool,
    selection: option.Selection,
    bytecode: "Bytecode | None",
    local_runtime: "LocalRuntime | None",
    showing: option.Showing,
    options: "Options",
) -> None:
    """Build layers for one or more platforms.

    Layers for other platforms than this machine's are built without executing anything of them. Layers below an
    included one are built if they are needed and not up to date.

    \b
    Example:
      venvstacks build --lock --publish --platform all
    """
    from venvstacks.options import in_definition  # noqa: PLC0415 - help must be quick
    from venvstacks.selection import extend_selection  # noqa: PLC0415

    below = _choose_dependencies(selection)
    _check_use(selection, publishing, lock=lock, build=build, publish=publish)
    made: set[tuple[str, str]] = set()
    options = replace(options, observe=_record_builds(made))
    with open_project(spec, options, local_runtime, bytecode) as project:
        stack = project.stack
        included = select(stack, selection.include, selection)
        extend = partial(extend_selection, stack)
        to_build = extend(included, dependencies=below["build"], derived=selection.build_derived)
        to_publish = extend(included, dependencies=below["publish"], derived=selection.publish_derived)
        reset = select_resets(stack, selection, extend(included, dependencies=below["lock"], derived=True))
        targets = select_targets(stack, to_build | to_publish, selection)[0] if build or publish else ()
        # whatever is used needs valid locks all the way down
        used = to_build if build else to_build | to_publish
        to_lock = extend({*used, *reset}, dependencies=True, derived=False)
        steps: dict[str, frozenset[str]] = {}
        if lock:
            plan = project.plan.lock(include=to_lock, reset=reset, if_needed=True)
            steps |= {"reset-lock": plan.forget_pins, "lock": plan.resolve}
        if build:
            needed = extend(to_build, dependencies=True, derived=False)
            steps["build"] = select_targets(stack, to_build, selection)[1]
            steps["build-if-needed"] = select_targets(stack, needed, selection)[1] - to_build
        if publish:
            steps["publish"] = select_targets(stack, to_publish, selection)[1]
        if print_plan(project, included, steps, showing, targets) or not included:
            return
        platforms = selection.platforms
        if lock and not build:
            project.lock(include=to_lock, reset=reset, if_needed=True)
        if build:
            built = project.build(include=to_build, platforms=platforms, lock_if_needed=lock, reset=reset)
        if publish:
            publishing["force"] = options.clean
            published = project.publish(include=to_publish, platforms=platforms, **publishing)
    if build:
        folder = shorten(in_definition(stack, options.build_dir))
        print_result(f"{counted(len(built), 'layer')} in {folder}, {len(made)} built", err=showing.as_json)
    if publish:
        print_published(published, showing)


def _record_builds(made: set[tuple[str, str]]) -> Observer:
    """Return an observer that adds each layer that was built, with its platform."""

    def record(event: Event) -> None:
        if isinstance(event, Finished) and event.step is Step.BUILD and event.changed:
            made.add((event.platform, event.layer))

    return record


def _choose_dependencies(selection: option.Selection) -> dict[str, bool]:
    """Return which steps are also for the layers below the included ones."""
    everywhere = selection.include_dependencies
    steps = {
        "lock": selection.lock_dependencies,
        "build": selection.build_dependencies,
        "publish": selection.publish_dependencies,
    }
    opposed = [step for step, wanted in steps.items() if None not in {wanted, everywhere} and wanted != everywhere]
    if opposed:
        no, other_no = ("no-", "") if everywhere else ("", "no-")
        raise UsageError(
            f"{' and '.join(f'--{no}{step}-dependencies' for step in opposed)} cannot be used with "
            f"--{other_no}include-dependencies: one includes layers that the other excludes."
        )
    return {step: bool(everywhere if wanted is None else wanted) for step, wanted in steps.items()}


def _check_use(
    selection: option.Selection, publishing: "PublishSettings", *, lock: bool, build: bool, publish: bool
) -> None:
    """Refuse options that would do nothing, and warn if there is nothing to do at all."""
    if selection.reset_lock and not lock:
        raise UsageError("--reset-lock only has a meaning when layers are locked.", hint="add --lock-if-needed")
    if (publishing.get("delta_from") or publishing.get("deltas")) and not publish:
        raise UsageError("Deltas are made of what is published.", hint="add --publish")
    if not (lock or build or publish):
        warn("--no-build leaves nothing to do without --lock-if-needed or --publish.")
