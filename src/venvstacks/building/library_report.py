"""What built layers need of shared libraries, and from where, for people and programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from venvstacks.building.libraries import library_layer, plan_linking
from venvstacks.building.plan import LayerBuild
from venvstacks.building.state import natives_built
from venvstacks.libraries.model import Linking
from venvstacks.libraries.offers import offers_of


@dataclass(frozen=True, slots=True)
class Offer:
    """A library that layers above can use by its name.

    Attributes:
        name: The name.
        file: Path of the library, relative to its layer.
        hides: Build names of the layers below that offer another library under this name.
    """

    name: str
    file: str
    hides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerLibraries:
    """The shared libraries of a layer.

    Attributes:
        layer: Build name.
        platform: Name of the target.
        linking: What its files need and from where; None if it, or a layer below it, is not built.
        offers: What it offers, sorted by name.
    """

    layer: str
    platform: str
    linking: Linking | None
    offers: tuple[Offer, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give the same as data."""
        data: dict[str, Any] = {
            "name": self.layer,
            "platform": self.platform,
            "is_built": self.linking is not None,
        }
        if self.linking is None:
            return data
        additions = self.linking.additions or {}
        files: dict[str, dict[str, Any]] = {}
        for use in self.linking.uses:
            file = files.setdefault(
                use.file,
                {
                    "file": use.file,
                    "package": use.owner,
                    "added_search": list(additions.get(use.file, ())),
                    "needs": [],
                },
            )
            file["needs"].append(
                {
                    "library": use.needed,
                    "source": use.source.value,
                    "layer": use.layer or None,
                    "file": use.provider or None,
                    "hides": list(use.shadowed),
                }
            )
        offers = [{"library": offer.name, "file": offer.file, "hides": list(offer.hides)} for offer in self.offers]
        return {**data, "files": list(files.values()), "offers": offers}


def describe_libraries(build: LayerBuild, below: Sequence[LayerBuild]) -> LayerLibraries:
    """Tell from what was recorded when layers were built where a layer's files find libraries.

    Args:
        build: The layer.
        below: The layers below it, in path order.
    """
    platform, name = build.key
    recorded = {each.key: natives_built(each) for each in (build, *below)}
    natives = {key: found for key, found in recorded.items() if found is not None}
    if len(natives) < len(recorded):
        return LayerLibraries(name, platform, None)
    offered = {
        each.layer.build_name: offers_of(library_layer(each, natives[each.key])).libraries
        for each in (build, *below)
    }
    offers = tuple(
        Offer(library, file.path, tuple(lower for lower in build.layer.below if library in offered[lower]))
        for library, file in offered[name].items()
    )
    return LayerLibraries(name, platform, plan_linking(build, below, natives), offers)
