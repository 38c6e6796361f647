"""Making a generation of layers that are in their places."""

from collections.abc import Collection, Sequence

from venvstacks.deploying.applications import describe_application
from venvstacks.deploying.deployment_format import FORMAT, Generation, GenerationLayer
from venvstacks.deploying.generations import generation_numbers, read_generation, write_generation
from venvstacks.deploying.launchers import check_name, generation_launcher, start_file
from venvstacks.deploying.places import Home
from venvstacks.errors import DeploymentError
from venvstacks.releases.release_format import Release, ReleaseLayer


def next_number(home: Home) -> int:
    """Return a number that no generation had before."""
    return max(generation_numbers(home), default=0) + 1


def is_same(
    generation: Generation, release: Release, layers: Sequence[ReleaseLayer], names: Collection[str]
) -> bool:
    """Tell whether a generation is just what a new one would be."""
    return (
        generation.release == release.version
        and generation.platform == release.platform
        and [layer.id for layer in generation.layers] == [layer.id for layer in layers]
        and set(generation.applications) == set(names)
    )


def find_made(
    home: Home, release: Release, layers: Sequence[ReleaseLayer], names: Collection[str], *, previous: int
) -> Generation | None:
    """Return the newest generation if it is just what a new one would be.

    That is so after a rollback from it, and if the run that made it was killed before it became current.
    """
    newest = next_number(home) - 1
    try:
        found = read_generation(home, newest)
    except DeploymentError:
        return None
    return found if found.previous == previous and is_same(found, release, layers, names) else None


def make_generation(
    home: Home, release: Release, names: Collection[str], *, previous: int, store: str, created: int
) -> Generation:
    """Write the next generation, with launchers; it is not current yet.

    Args:
        home: The deployment; the layers are in their places.
        release: What it consists of.
        names: Of the applications that are wanted.
        previous: The generation that is current now; 0 for none.
        store: Address of the store.
        created: Seconds since 1970.

    Raises:
        DeploymentError: A layer does not say how it is started.
        ReleaseError: An application cannot have a launcher.
    """
    windows = release.platform.startswith("win")
    found = {name: layer for name, layer in release.applications.items() if name in names}
    layers = release.closure(layer.install_target for layer in found.values())
    targets = {layer.install_target: layer for layer in layers}
    for name in found:
        check_name(name, windows=windows)
    applications = {
        name: describe_application(home, name, layer, targets, windows=windows) for name, layer in found.items()
    }
    generation = Generation(
        format=FORMAT,
        number=next_number(home),
        release=release.version,
        platform=release.platform,
        store=store,
        created=created,
        previous=previous,
        layers=tuple(map(_describe_layer, layers)),
        applications=applications,
    )
    launchers = [
        (
            generation_launcher(name, generation.number, product=home.product, windows=windows),
            start_file(name, how, windows=windows),
        )
        for name, how in applications.items()
    ]
    write_generation(home, generation, launchers)
    return generation


def _describe_layer(layer: ReleaseLayer) -> GenerationLayer:
    return GenerationLayer(
        id=layer.id,
        install_target=layer.install_target,
        layer_name=layer.layer_name,
        kind=layer.kind,
        content_hash=layer.content_hash,
        below=layer.below,
    )
