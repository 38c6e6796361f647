"""Built layers, as those find them who use them."""

import shlex
from collections.abc import Collection, Mapping, Sequence

from venvstacks.building.build_plan import Key, LayerBuild
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.building.state import Inspection, State, built_with, inspect, recorded
from venvstacks.building.taking import plan_taking
from venvstacks.errors import BuildError
from venvstacks.files import json_hash

RELINKED = Inspection((), "what it takes from the layers below has changed")


def is_relinked(build: LayerBuild, builds: Sequence[LayerBuild], found: Mapping[Key, State | Inspection]) -> bool:
    """Return whether a built layer would take something else from the layers below, by their records."""
    if not all(key in found for key in build.keys_below):
        return False  # what is not built yet cannot be known
    by_key = {each.key: each for each in builds}
    below = [by_key[key] for key in build.keys_below]
    return plan_taking(build, below, found).hash != found[build.key].linking


def described(build: LayerBuild, found: State | Inspection | None, local_runtime: str) -> BuiltLayer:
    """Describe a layer."""
    # a copied interpreter has other bytes than a managed one, so what holds it is another archive
    is_managed = local_runtime in {"", "never"}
    inputs_hash = build.inputs_hash if is_managed else json_hash([build.inputs_hash, local_runtime])
    return BuiltLayer(
        layer=build.layer,
        lock=build.lock,
        below=build.below,
        target=build.target,
        folder=build.folder,
        inputs_hash=inputs_hash,
        module_hashes=build.module_hashes,
        entries=found.entries if found else (),
        excluded=build.excluded,
        taken=found.linking if found else None,
        system_libraries=found.system_libraries if found else (),
    )


def expected(builds: Sequence[LayerBuild]) -> tuple[BuiltLayer, ...]:
    """Describe layers as building them will make them, whether they are built or not."""
    return tuple(described(build, recorded(build), built_with(build)) for build in builds)


def find_built(builds: Sequence[LayerBuild], keys: Collection[Key]) -> tuple[BuiltLayer, ...]:
    """Return layers that are built and current, for publishing and exporting them."""
    states = {build.key: state for build in builds if (state := recorded(build)) is not None}
    built = []
    for build in (each for each in builds if each.key in keys):
        inspection = inspect(build)
        if not inspection.reason and is_relinked(build, builds, states):
            inspection = RELINKED
        if inspection.reason or not inspection.checked:
            unchecked = "the build that made it failed before its packages were found to see what they require"
            is_alike = inspection.bytecode in {None, build.bytecode}
            way = "" if is_alike else "give the --bytecode that the layer was built with, or "
            # another layer may be what failed
            alone = "" if inspection.reason else f" --include {shlex.quote(build.layer.build_name)}"
            raise BuildError(
                f"{build.headline} in {build.folder} cannot be used: {inspection.reason or unchecked}.",
                hint=f"{way}run `venvstacks build{alone}` first",
            )
        built.append(described(build, inspection, inspection.local_runtime))
    return tuple(built)
