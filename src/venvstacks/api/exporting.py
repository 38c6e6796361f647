"""What a build script calls: export."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from venvstacks.building.built_layers import expected
from venvstacks.builds import chosen_layers, find_layers, gather_builds, made_here, output_folder
from venvstacks.definition.stack import Stack
from venvstacks.options import Options
from venvstacks.publishing.export_plan import ExportOptions, ExportPlan, plan_export, read_exported
from venvstacks.publishing.export_run import ExportResult, run_export
from venvstacks.publishing.publish_plan import Action
from venvstacks.selection import HOST
from venvstacks.session import held
from venvstacks.workspace import held_output


def plan_exporting(
    stack: Stack,
    settings: ExportOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[ExportPlan, ...]:
    """Describe what :func:`export` would do, with the same parameters; the layers need not be built."""
    options = options or Options()
    settings = settings or ExportOptions(Path("_export"))
    folder = output_folder(stack, settings.output)
    chosen = chosen_layers(stack, include)
    plans = []
    by_target = gather_builds(stack, options, chosen, platforms)
    for target, builds in by_target.items():
        here = replace(settings, output=folder / target.name if len(by_target) > 1 else folder)
        layers = expected(builds)
        exported = read_exported(stack.layers, target, here.output)
        plans.append(plan_export(layers, made_here(layers, chosen), here, exported))
    return tuple(plans)


def export(
    stack: Stack,
    settings: ExportOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[ExportResult, ...]:
    """Copy built layers side by side into a folder, ready to run.

    Args:
        stack: The stack.
        settings: Where to; the output folder is relative to the definition's folder. With several platforms,
            each has a folder of its own in it.
        include: Build names of the layers to export; all by default.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        What was done for each platform, sorted by its name.

    Raises:
        UsageError: There is no such platform, or none of the layers is made for it.
        BuildError: A layer is not built.
        PublishError: The output folder holds something else under a layer's name.
    """
    options = options or Options()
    folder = output_folder(stack, (settings or ExportOptions(Path("_export"))).output)
    with held(stack, options) as work, held_output(folder, wait=options.wait, observe=options.observe):
        plans = plan_exporting(stack, settings, include=include, platforms=platforms, options=options)
        made = [export for plan in plans for export in plan.exports if export.action is Action.CREATE]
        built = find_layers(stack, options, [export.built for export in made])
        results = []
        for plan in plans:
            exports = tuple(replace(e, built=built.get(e.built.key, e.built)) for e in plan.exports)
            results.append(run_export(replace(plan, exports=exports), work))
        return tuple(results)
