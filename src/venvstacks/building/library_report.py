"""What built layers need of shared libraries, and from where, for people and programs."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from venvstacks.building.layer_build import LayerBuild, built_state
from venvstacks.building.native_files import library_layer, plan_linking
from venvstacks.findings import Finding
from venvstacks.libraries.linkage import Linking
from venvstacks.libraries.offers import offers_of


@dataclass(frozen=True, slots=True)
class LayerLibraries:
    """The shared libraries of a layer.

    Attributes:
        layer: Build name.
        platform: Name of the target.
        offers: What layers above can use: name -> path of the library, relative to the layer; sorted.
        shadowed: The same names -> build names of the layers below that offer another library under this name.
        findings: What may be wrong with it.
        system_libraries: Names of the libraries that the target's system has to provide.
        hidden: Names of libraries in whose place this process's environment would have others loaded -> these.
    """

    layer: str
    platform: str
    linking: Linking | None  # what its files need and from where; None if it, or a layer below it, is not built
    offers: Mapping[str, str] = field(default_factory=dict)
    shadowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    system_libraries: tuple[str, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the same as data."""
        data = {"name": self.layer, "platform": self.platform, "is_built": self.linking is not None}
        if self.linking is None:
            return data
        additions = self.linking.additions
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
        return {
            **data,
            "files": list(files.values()),
            "offers": [
                {"library": name, "file": file, "hides": list(self.shadowed[name])}
                for name, file in self.offers.items()
            ],
            "findings": [
                {"package": each.package, "message": each.message, "remedy": each.remedy} for each in self.findings
            ],
            "system_libraries": list(self.system_libraries),
            "hidden_by_environment": dict(self.hidden),
        }


def describe_libraries(
    build: LayerBuild, below: Sequence[LayerBuild], environ: Mapping[str, str]
) -> LayerLibraries:
    """Report from what was recorded when layers were built where a layer's files find libraries."""
    platform, layer = build.key
    state = built_state(build)
    if state is None or any(built_state(each) is None for each in below):
        return LayerLibraries(layer, platform, None)
    own, *others = (offers_of(library_layer(each)).libraries for each in (build, *below))
    lower = dict(zip(build.layer.below, others, strict=True))
    linking = plan_linking(build, below)
    return LayerLibraries(
        layer,
        platform,
        linking,
        offers={name: file.path for name, file in own.items()},
        shadowed={name: tuple(other for other in lower if name in lower[other]) for name in own},
        findings=state.findings,
        system_libraries=state.system_libraries,
        hidden=_hidden(linking, environ) if build.compatibility.runs_here else {},
    )


def _hidden(linking: Linking, environ: Mapping[str, str]) -> dict[str, str]:
    """Find libraries in folders that loaders search before those of the layers."""
    variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    folders = [folder for folder in environ.get(variable, "").split(":") if folder]
    names = {use.needed.rpartition("/")[2] for use in linking.uses if use.provider}
    places = {name: [os.path.join(folder, name) for folder in folders] for name in sorted(names)}  # noqa: PTH118
    found = {name: next(filter(os.path.exists, paths), None) for name, paths in places.items()}
    return {name: path for name, path in found.items() if path is not None}
