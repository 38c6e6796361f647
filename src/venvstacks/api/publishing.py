"""What a build script calls: publish."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from venvstacks.archives.cache_place import frame_cache
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.building.built_layers import expected
from venvstacks.builds import chosen_layers, find_layers, gather_builds, made_here, output_folder
from venvstacks.definition.stack import Stack
from venvstacks.manifests.published import find_published
from venvstacks.options import Options, cache_folder, in_definition
from venvstacks.publishing.delta_bases import find_delta_bases
from venvstacks.publishing.describe import stack_order
from venvstacks.publishing.publication import PublishResult, run_publish
from venvstacks.publishing.publish_plan import Action, PublishOptions, PublishPlan, plan_publish
from venvstacks.selection import HOST
from venvstacks.session import held
from venvstacks.workspace import held_output


def plan_publication(
    stack: Stack,
    settings: PublishOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[PublishPlan, ...]:
    """Describe what :func:`publish` would do, with the same parameters.

    Locks and earlier manifests suffice for that: the layers need not be built.
    """
    options = options or Options()
    settings = settings or PublishOptions(Path("_artifacts"))
    folder = output_folder(stack, settings.output)
    chosen = chosen_layers(stack, include)
    plans = []
    by_target = gather_builds(stack, options, chosen, platforms)
    apart = len(by_target) > 1 and not settings.tag_outputs
    for target, builds in by_target.items():
        here = replace(
            settings,
            output=folder / target.name if apart else folder,
            format=settings.format or ArchiveFormat(stack.archive_formats[target.name]),
        )
        layers = expected(builds)
        order = stack_order(stack.layers, target)
        published = find_published(here.output, [n for _, n in order], target.name, tagged=here.tag_outputs)
        names = made_here(layers, chosen)
        requested = [in_definition(stack, path) for path in here.delta_from]
        bases = find_delta_bases(here.output, names, target, requested=requested, earlier=here.deltas > 0)
        plans.append(plan_publish(layers, names, here, order, published=published, bases=bases))
    return tuple(plans)


def publish(
    stack: Stack,
    settings: PublishOptions | None = None,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[PublishResult, ...]:
    """Make an archive of each built layer, and the manifests.

    Args:
        stack: The stack.
        settings: Where to and in which format; the output folder is relative to the definition's folder. With
            several platforms, and without tags in names, each has a folder of its own in it.
        include: Build names of the layers to publish; all by default.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        What was done for each platform, sorted by its name.

    Raises:
        UsageError: There is no such platform, or none of the layers is made for it.
        BuildError: A layer is not built.
        PublishError: An archive cannot be made.
    """
    options = options or Options()
    settings = settings or PublishOptions(Path("_artifacts"))
    settings.profile  # noqa: B018 - a level that no format has is refused before the output folder is made
    folder = output_folder(stack, settings.output)
    with held(stack, options) as work, held_output(folder, wait=options.wait, observe=options.observe):
        plans = plan_publication(stack, settings, include=include, platforms=platforms, options=options)
        made = [archive for plan in plans for archive in plan.archives if archive.action is Action.CREATE]
        built = find_layers(stack, options, [archive.built for archive in made])
        cache = frame_cache(cache_folder(stack, options), options.environ)
        results = []
        for plan in plans:
            archives = tuple(replace(a, built=built.get(a.built.key, a.built)) for a in plan.archives)
            results.append(run_publish(replace(plan, archives=archives), work, cache))
        return tuple(results)
