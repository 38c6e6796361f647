"""What is deployed in a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvstacks.deploying.deployment_format import Generation
from venvstacks.deploying.generations import (
    current_number,
    generation_numbers,
    read_deployment,
    read_generation,
)
from venvstacks.deploying.leases import is_leased
from venvstacks.deploying.places import Home
from venvstacks.deploying.products import homes, require_homes
from venvstacks.deploying.prune import stored_layers, unneeded


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """A generation that is there.

    Attributes:
        number: Its number.
        release: Version of its release.
        created: When it was made, seconds since 1970.
        is_current: Whether it is current.
        is_complete: Whether all its layers are there; they are not read.
    """

    number: int
    release: str
    created: int
    is_current: bool
    is_complete: bool


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """A product of a deployment.

    Attributes:
        name: Of the product; empty for the first one.
        folder: Its folder.
        store: Address of its store.
        signed: Whether what the store says is signed.
        channel: The channel that it follows; empty if it stays at a release.
        release: The release that it stays at; empty if it follows a channel.
        platform: Target name.
        keep: How many generations are kept.
        generations: Those that are there, the newest first.
        applications: Name -> what starts it, of the current generation.
    """

    name: str
    folder: Path
    store: str
    signed: bool
    channel: str
    release: str
    platform: str
    keep: int
    generations: tuple[GenerationStatus, ...]
    applications: Mapping[str, Path]

    @property
    def current(self) -> GenerationStatus | None:
        """The current generation."""
        return next((each for each in self.generations if each.is_current), None)


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What is deployed in a folder.

    Attributes:
        folder: The folder.
        products: The products in it, the first one first.
        layers: How many layers are there, of all products.
        in_use: IDs of the layers that no generation needs any more, but processes run from, or may run from.
    """

    folder: Path
    products: tuple[ProductStatus, ...]
    layers: int
    in_use: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the status as data."""
        return {
            "folder": str(self.folder),
            "products": [_product_json(product) for product in self.products],
            "layers": self.layers,
            "in_use": list(self.in_use),
        }


def read_status(root: Path) -> DeploymentStatus:
    """Find out what is deployed in a folder; nothing is changed, and nobody has to wait.

    Raises:
        DeploymentError: Nothing is, or a document is damaged.
    """
    products = tuple(map(_read_product, require_homes(root)))
    home = Home(root)
    layers = stored_layers(home)
    needed = {
        layer.id
        for each in homes(root)
        for number in generation_numbers(each)
        for layer in read_generation(each, number).layers
    }
    in_use = tuple(name for name in unneeded(layers, needed) if is_leased(home.place_of(name, "")))
    return DeploymentStatus(root, products, len(layers), in_use)


def _read_product(home: Home) -> ProductStatus:
    deployment = read_deployment(home)
    current = current_number(home)
    generations = [read_generation(home, number) for number in reversed(generation_numbers(home))]
    shown = next((each for each in generations if each.number == current), None)
    return ProductStatus(
        name=home.product,
        folder=home.folder,
        store=deployment.store if deployment else "",
        signed=deployment.signed if deployment else False,
        channel=deployment.channel if deployment else "",
        release=deployment.release if deployment else "",
        platform=deployment.platform if deployment else "",
        keep=deployment.keep if deployment else 0,
        generations=tuple(_generation(home, each, current) for each in generations),
        applications={
            name: home.programs / Path(how.launcher).name
            for name, how in (shown.applications if shown else {}).items()
        },
    )


def _generation(home: Home, generation: Generation, current: int | None) -> GenerationStatus:
    complete = all(home.place_of(layer.id, layer.install_target).path.is_dir() for layer in generation.layers)
    return GenerationStatus(
        generation.number, generation.release, generation.created, generation.number == current, complete
    )


def _product_json(product: ProductStatus) -> dict[str, Any]:
    current = product.current
    return {
        "name": product.name,
        "folder": str(product.folder),
        "store": product.store,
        "signed": product.signed,
        "channel": product.channel,
        "release": product.release,
        "platform": product.platform,
        "keep": product.keep,
        "current": current.number if current else None,
        "applications": {name: str(program) for name, program in product.applications.items()},
        "generations": [
            {
                "number": each.number,
                "release": each.release,
                "created": each.created,
                "current": each.is_current,
                "complete": each.is_complete,
            }
            for each in product.generations
        ],
    }
