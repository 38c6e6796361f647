"""How the applications of a deployment are started, with what their layers say of themselves."""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from venvstacks import launch
from venvstacks.deploying.deployment_format import Generation, GenerationApplication
from venvstacks.deploying.generations import read_current
from venvstacks.deploying.launchers import PROGRAMS
from venvstacks.deploying.places import Home
from venvstacks.deploying.products import find_home, homes
from venvstacks.errors import DeploymentError, RunError
from venvstacks.releases.release_format import ReleaseLayer

PREFIX = "app-"
"""How the build names of applications begin."""

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


def find_application(folder: Path, name: str) -> tuple[Home, Generation] | None:
    """Find an application in the current generation of a deployment's products, the first one's first.

    Returns:
        The product, and its current generation; that of the first one if none has the application. None if the
        folder is no deployment.

    Raises:
        DeploymentError: A document is damaged.
    """
    home = find_home(folder)
    if home is None:
        return None
    products = [home] if home.product else homes(home.root)
    found = [(each, current) for each in products if (current := read_current(each)) is not None]
    there = (pair for pair in found if {name, name.removeprefix(PREFIX)} & pair[1].applications.keys())
    return next(there, found[0] if found else None)


def start_application(
    home: Home, generation: Generation, name: str, arguments: Sequence[str], warn: Callable[[str], None]
) -> int:
    """Let an application of a generation take the place of this process.

    Raises:
        RunError: There is no such application, or its layer has been removed.
    """
    how = generation.applications.get(name) or generation.applications.get(name.removeprefix(PREFIX))
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
