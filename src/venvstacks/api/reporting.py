"""What a build script calls to learn what is in layers."""

from collections.abc import Collection

from venvstacks.building.dependency_paths import Presence, find_presences
from venvstacks.building.library_report import LayerLibraries, describe_libraries
from venvstacks.builds import chosen_layers, gather_builds
from venvstacks.definition.stack import Stack
from venvstacks.options import Options
from venvstacks.selection import HOST


def shared_libraries(
    stack: Stack,
    *,
    include: Collection[str] | None = None,
    platforms: Collection[str] = (HOST,),
    options: Options | None = None,
) -> tuple[LayerLibraries, ...]:
    """Return which shared libraries the files of built layers need, and who provides them.

    Args:
        stack: The stack.
        include: Build names of the layers to tell of; all by default.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        One entry a layer, platform by platform, each in the stack's order.

    Raises:
        InvalidLockError: A layer has no valid lock.
    """
    chosen = chosen_layers(stack, include)
    options = options or Options()
    found = gather_builds(stack, options, chosen, platforms)
    builds = {build.key: build for of_target in found.values() for build in of_target}
    return tuple(
        describe_libraries(build, [builds[key] for key in build.keys_below], options.environ)
        for build in builds.values()
        if build.layer.build_name in chosen
    )


def why(
    stack: Stack, package: str, *, platforms: Collection[str] = (HOST,), options: Options | None = None
) -> tuple[Presence, ...]:
    """Return which layers have a package or use it, who asked for it, and what it costs.

    Args:
        stack: The stack.
        package: The package's name, in any spelling.
        platforms: As for :func:`build`.
        options: How.

    Returns:
        One entry a layer, platform by platform, each in the stack's order; empty if no layer has it.

    Raises:
        InvalidLockError: A layer has no valid lock.
    """
    builds = gather_builds(stack, options or Options(), chosen_layers(stack, None), platforms)
    return find_presences([build for of_target in builds.values() for build in of_target], package)
