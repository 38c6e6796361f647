"""What a layer takes from those below it, decided from what was recorded of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from venvstacks.building.data_links import DataLink, plan_data_links
from venvstacks.building.launch_commands import chosen_commands
from venvstacks.building.layer_build import LayerBuild, LayerKey
from venvstacks.building.native_files import linking_hash, plan_linking
from venvstacks.building.split_packages import plan_joining
from venvstacks.files import json_hash
from venvstacks.libraries.linkage import Linking


@dataclass(frozen=True, slots=True)
class LayerLinks:
    """What a layer takes from those below it.

    Attributes:
        linking: How its files find shared libraries.
        data: Data and programs.
        packages: Packages of which several layers have a part.
        commands: What its definition names of commands and programs, with what decides each.
    """

    linking: Linking
    data: Mapping[str, DataLink]
    packages: Mapping[str, tuple[str, ...]]
    commands: Mapping[str, str]

    @property
    def hash(self) -> str:
        """Hash of what becomes of it in the layer."""
        shown = {path: astuple(link) for path, link in self.data.items()}
        return json_hash([linking_hash(self.linking), shown, dict(self.packages), dict(self.commands)])


def plan_links(build: LayerBuild, below: Sequence[LayerBuild]) -> LayerLinks:
    """Decide what a layer takes from those below it, all of them with their states."""
    return LayerLinks(
        plan_linking(build, below),
        plan_data_links(build, below),
        plan_joining(build, below)[0],
        chosen_commands(build, below),
    )


def links_changed(build: LayerBuild, usable: Mapping[LayerKey, LayerBuild]) -> bool:
    """Return whether a built layer would take something else from the layers below, as they are now.

    False if one of these is not usable as it is: what it will offer cannot be known.
    """
    below = [usable[key] for key in build.keys_below if key in usable]
    if build.state is None or len(below) < len(build.keys_below):
        return False
    return plan_links(build, below).hash != build.state.linking
