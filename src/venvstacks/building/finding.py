"""Built layers, as those find them who use them."""

from collections.abc import Collection, Mapping, Sequence

from venvstacks.building.libraries import linking_hash, plan_linking
from venvstacks.building.model import BuiltLayer
from venvstacks.building.plan import Key, LayerBuild
from venvstacks.building.state import Inspection, built_with, inspect, natives_built
from venvstacks.errors import BuildError
from venvstacks.files import json_hash
from venvstacks.libraries.model import Natives
from venvstacks.trees import Entry

RELINKED = Inspection((), "the shared libraries it needs are elsewhere now")


def is_relinked(
    build: LayerBuild, builds: Sequence[LayerBuild], natives: Mapping[Key, Natives], inspection: Inspection
) -> bool:
    """Tell from what was recorded of built layers whether a layer's files would find other libraries now."""
    if not all(key in natives for key in build.keys_below):
        return False  # what is not built yet cannot be known
    by_key = {each.key: each for each in builds}
    linking = plan_linking(build, [by_key[key] for key in build.keys_below], natives)
    return linking_hash(linking) != inspection.linking


def described(build: LayerBuild, entries: tuple[Entry, ...], local_runtime: str) -> BuiltLayer:
    """Describe a built layer.

    Args:
        build: What it is made from.
        entries: What it holds.
        local_runtime: Of a runtime, whether an interpreter of this machine might serve when it was built.
    """
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
        entries=entries,
        excluded=build.excluded,
    )


def expected(builds: Sequence[LayerBuild]) -> tuple[BuiltLayer, ...]:
    """Describe layers as building them will make them, whether they are built or not; without entries."""
    return tuple(described(build, (), built_with(build)) for build in builds)


def find_built(builds: Sequence[LayerBuild], keys: Collection[Key]) -> tuple[BuiltLayer, ...]:
    """Give layers that are built and current, for publishing and exporting them.

    Args:
        builds: The layers and those below them.
        keys: Which of them to give.

    Raises:
        BuildError: A layer is not built, or its inputs have changed since.
    """
    recorded = {build.key: natives_built(build) for build in builds}
    natives = {key: found for key, found in recorded.items() if found is not None}
    built = []
    for build in (each for each in builds if each.key in keys):
        inspection = inspect(build)
        if not inspection.reason and is_relinked(build, builds, natives, inspection):
            inspection = RELINKED
        unchecked = "" if inspection.checked else "its packages were not found to see what they require"
        if inspection.reason or unchecked:
            is_alike = inspection.bytecode in {None, build.bytecode}
            way = "" if is_alike else "give the --bytecode that the layer was built with, or "
            raise BuildError(
                f"{build.headline} in {build.folder} cannot be used: {inspection.reason or unchecked}.",
                hint=f"{way}run `venvstacks build` first",
            )
        built.append(described(build, inspection.entries, inspection.local_runtime))
    return tuple(built)
