"""What a deployment should hold, according to its generations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from venvstacks.deploying.deployment_format import Generation
from venvstacks.deploying.generations import DOCUMENT, generation_numbers, read_generation
from venvstacks.deploying.layer_check import DeployedLayerFacts, DeploymentFinding, DeploymentProblem
from venvstacks.deploying.places import Home
from venvstacks.deploying.products import require_homes
from venvstacks.errors import DeploymentError


@dataclass(frozen=True, slots=True)
class DeployedProduct:
    """One product of a deployment.

    Attributes:
        home: Where its own files are.
        generations: Number -> generation, of those that can be read, in order.
        unreadable: Number -> why its document cannot be read.
    """

    home: Home
    generations: dict[int, Generation]
    unreadable: dict[int, str]

    def findings(self) -> Iterator[DeploymentFinding]:
        """Return what is wrong with the documents of generations."""
        for number, why in self.unreadable.items():
            path = self.home.generation(number) / DOCUMENT
            problem = DeploymentProblem.CHANGED if path.exists() else DeploymentProblem.MISSING
            yield DeploymentFinding(path.relative_to(self.home.root).as_posix(), problem, why)


def read_products(root: Path) -> tuple[DeployedProduct, ...]:
    """Read what products a deployment's folder has, and their generations.

    Raises:
        DeploymentError: It has none.
    """
    return tuple(_read_product(home) for home in require_homes(root))


def _read_product(home: Home) -> DeployedProduct:
    found: dict[int, Generation] = {}
    unreadable: dict[int, str] = {}
    for number in generation_numbers(home):
        try:
            found[number] = read_generation(home, number)
        except DeploymentError as error:
            unreadable[number] = error.message
    return DeployedProduct(home, found, unreadable)


def deployed_layers(products: Iterable[DeployedProduct]) -> tuple[DeployedLayerFacts, ...]:
    """Return what the layers of all generations should be, each once; those of later generations first."""
    found: dict[str, DeployedLayerFacts] = {}
    for product in products:
        for generation in reversed(product.generations.values()):
            places = {
                layer.install_target: product.home.place_of(layer.id, layer.install_target)
                for layer in generation.layers
            }
            for layer in generation.layers:
                facts = DeployedLayerFacts(
                    place=places[layer.install_target],
                    layer_name=layer.layer_name,
                    content_hash=layer.content_hash,
                    below=tuple(places[name] for name in layer.below if name in places),
                )
                found.setdefault(layer.id, facts)
    return tuple(found.values())
