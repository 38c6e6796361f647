"""How the applications of a deployment are started, with what their layers say of themselves."""

import posixpath
from collections.abc import Callable, Mapping, Sequence

from venvstacks import launch
from venvstacks.deploying.deployment_format import Generation, GenerationApplication
from venvstacks.deploying.launchers import PROGRAMS
from venvstacks.deploying.places import Home
from venvstacks.errors import DeploymentError, RunError
from venvstacks.releases.release_format import ReleaseLayer

_LAYERS = "layers"


def describe_application(
    home: Home, name: str, layer: ReleaseLayer, targets: Mapping[str, ReleaseLayer], *, windows: bool
) -> GenerationApplication:
    """Return how an application is started whose layer is in its place.

    Args:
        home: The deployment.
        name: Of the application.
        layer: Its layer.
        targets: Install target -> layer, of at least the layers below.
        windows: Whether its launcher is for Windows.

    Raises:
        DeploymentError: What its layer says of itself is damaged.
    """
    try:
        configuration = launch.read_configuration(home.place(layer).path)
    except RunError as error:
        raise DeploymentError(
            f"The application {name} cannot be started: {error.message}",
            hint="run `venvstacks deployment repair`, or deploy again",
        ) from error
    own = f"{_LAYERS}/{layer.id}/{layer.install_target}"

    def place(path: str) -> str:
        """Return a path that is relative to the layer as seen from the root, in the layer that it really is in."""
        found = posixpath.normpath(posixpath.join(own, path))
        _, _, target, *rest = [*found.split("/", 3), "", ""]
        lower = targets.get(target)
        return posixpath.join(_LAYERS, lower.id, target, rest[0]) if lower else found

    return GenerationApplication(
        layer=own,
        launcher=f"{PROGRAMS}/{name}.cmd" if windows else f"{PROGRAMS}/{name}",
        python=f"{own}/{configuration.python}",
        arguments=configuration.arguments,
        path=tuple(place(folder) for folder in configuration.bin_dirs),
    )


def start_application(
    home: Home, generation: Generation, name: str, arguments: Sequence[str], warn: Callable[[str], None]
) -> int:
    """Let an application of a generation take the place of this process.

    Raises:
        RunError: There is no such application, or its layer has been removed.
    """
    how = generation.applications.get(name) or generation.applications.get(name.removeprefix("app-"))
    if how is None:
        there = ", ".join(generation.applications) or "none"
        raise RunError(
            f"There is no application {name!r} in generation {generation.number} of {home.folder}: it has {there}."
        )
    python = home.root / how.python
    if not python.exists():
        raise RunError(
            f"{name} cannot run: there is no {python}.",
            hint=f"run `venvstacks deployment repair {home.root}`, or deploy again",
        )
    return launch.start(name, python, [*how.arguments, *arguments], [home.root / path for path in how.path], warn)
