"""What a layer takes from those below it, decided from what was recorded of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from venvstacks.building.build_plan import Key, LayerBuild
from venvstacks.building.joining import Joining, plan_joining
from venvstacks.building.launch_commands import chosen_commands
from venvstacks.building.native_files import linking_hash, plan_linking
from venvstacks.building.showing import Showing, plan_showing
from venvstacks.building.state import Inspection, State
from venvstacks.files import json_hash
from venvstacks.libraries.linkage import Linking


@dataclass(frozen=True, slots=True)
class Taking:
    """What a layer takes from those below it.

    Attributes:
        linking: How its files find shared libraries.
        showing: Data and programs.
        joining: Packages of which several layers have a part.
        commands: What its definition names of commands and programs, with what decides each.
    """

    linking: Linking
    showing: Showing
    joining: Joining
    commands: Mapping[str, str]

    @property
    def hash(self) -> str:
        """Hash of what becomes of it in the layer."""
        shown = {path: astuple(shown) for path, shown in self.showing.items()}
        return json_hash([linking_hash(self.linking), shown, dict(self.joining.packages), dict(self.commands)])


def plan_taking(build: LayerBuild, below: Sequence[LayerBuild], found: Mapping[Key, State | Inspection]) -> Taking:
    """Decide what a layer takes from those below it."""
    path = [found[each.key] for each in (build, *below)]
    return Taking(
        plan_linking(build, below, {key: each.natives for key, each in found.items()}),
        plan_showing(build, below, [each.data for each in path]),
        plan_joining(build, below, [each.parts for each in path]),
        chosen_commands(build, [each.data for each in path]),
    )
