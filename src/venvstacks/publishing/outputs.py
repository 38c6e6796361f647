"""What publishing and exporting have in common: a layer's output, the plan for a stack, what was done."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from venvstacks import files
from venvstacks.building.layer_build import LayerBuild
from venvstacks.definition.stack import LayerKind
from venvstacks.errors import PublishError, VenvstacksError
from venvstacks.manifests.manifest_format import (
    LAYER_METADATA_FOLDER,
    METADATA_FOLDER,
    LayerManifest,
    Manifest,
    StackManifest,
    read_manifest,
    write_manifest,
)
from venvstacks.publishing.describe import describe_stack


class Reason(StrEnum):
    """Why an output is made, or kept."""

    FIRST = "first publication"
    FIRST_EXPORT = "first export"
    CHANGED = "inputs changed"
    FORCED = "forced"
    MISSING = "archive is missing"
    DAMAGED = "archive is damaged"
    INDEX = "index is missing or damaged"
    MISSING_FOLDER = "folder is missing"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOutput(Generic[Manifest]):
    """What will be done about one layer's output.

    Attributes:
        build: The layer.
        reason: Why the output is made, or kept.
        destination: The archive, or the exported folder.
        manifest_path: The layer's manifest.
        manifest: Its content, as far as it is known before the output is made.
    """

    build: LayerBuild
    reason: Reason
    destination: Path
    manifest_path: Path
    manifest: Manifest

    @property
    def layer(self) -> str:
        """The layer's build name."""
        return self.build.layer.build_name

    @property
    def title(self) -> str:
        """The layer and its platform, for people: ``app-hello for linux_x86_64``."""
        return f"{self.layer} for {self.build.target.name}"

    @property
    def is_kept(self) -> bool:
        """Whether what is there is kept."""
        return self.reason is Reason.UNCHANGED

    def is_described_by(self, manifest: Manifest) -> bool:
        """Whether a manifest is of the output that will be there, and not of one before it."""
        return manifest == self.manifest


AnyPlanned = TypeVar("AnyPlanned", bound=PlannedOutput[Any])


@dataclass(frozen=True, slots=True)
class OutputPlan(Generic[AnyPlanned]):
    """What a publication or an export will do for one platform.

    Attributes:
        output: The output folder, absolute.
        layers: The selected layers, in the stack's order.
        stack: Kinds and build names of all layers, in the stack's order.
        others: Build name -> manifest of layers that were published or exported before, and are not selected.
        manifest_path: The stack's manifest.
    """

    output: Path
    layers: tuple[AnyPlanned, ...]
    stack: tuple[tuple[LayerKind, str], ...]
    others: Mapping[str, LayerManifest]
    manifest_path: Path

    def manifest(self, selected: Mapping[str, LayerManifest]) -> StackManifest:
        """Return the stack's manifest.

        Args:
            selected: Build name -> manifest of the selected layers, as far as their outputs are there.
        """
        known = {**self.others, **selected}
        return describe_stack((kind, known[name]) for kind, name in self.stack if name in known)

    def as_json(self) -> dict[str, Any]:
        """Return the manifest that would be written, less the sizes and hashes of archives to be made."""
        return self.manifest({planned.layer: planned.manifest for planned in self.layers}).as_json()


@dataclass(frozen=True, slots=True)
class Output(Generic[Manifest]):
    """A layer's output, complete in the output folder.

    Attributes:
        layer: Build name.
        path: The archive, or the exported folder.
        created: False if it was there already.
        manifest: The layer's manifest.
    """

    layer: str
    path: Path
    created: bool
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Outputs(Generic[Manifest]):
    """What a publication or an export has done for one platform.

    Attributes:
        manifest_path: The stack's manifest.
        manifest: Its content.
        layers: The selected layers, in the stack's order.
    """

    manifest_path: Path
    manifest: StackManifest
    layers: tuple[Output[Manifest], ...]


def finish_outputs(plan: OutputPlan[Any], done: Mapping[str, Manifest]) -> Outputs[Manifest]:
    """Write the stack's manifest after all outputs are there; ``done`` has the selected layers' by build name."""
    manifest = plan.manifest(done)
    with explain("write the stack's manifest"):
        write_manifest(plan.manifest_path, manifest)
    layers = (Output(p.layer, p.destination, not p.is_kept, done[p.layer]) for p in plan.layers)
    return Outputs(plan.manifest_path, manifest, tuple(layers))


def remove_unfinished(output: Path) -> None:
    """Remove what an interrupted run left in an output folder."""
    with explain(f"clean the folder {output}"):
        for folder in (output, output / METADATA_FOLDER, output / LAYER_METADATA_FOLDER):
            files.remove_leftovers(folder)


@contextmanager
def describe_failure(plan: OutputPlan[Any], kind: type[LayerManifest], done: str) -> Iterator[None]:
    """When a block ends early, describe the layers whose outputs are complete, and name these in its error.

    ``kind`` is that of their manifests, ``done`` what the block does to layers: ``published``.
    """
    try:
        yield
    except BaseException as error:
        planned = plan.layers
        found = {each.layer: m for each in planned if (m := read_manifest(each.manifest_path, kind)) is not None}
        if found:
            with suppress(OSError):  # the error itself is what matters
                write_manifest(plan.manifest_path, plan.manifest(found))
        if isinstance(error, VenvstacksError) and len(planned) > 1:
            there = [
                each.layer for each in planned if each.layer in found and each.is_described_by(found[each.layer])
            ]
            missing = [each.layer for each in planned if each.layer not in there]
            error.message += (
                f"\n{done.capitalize()}: {', '.join(there) or 'none'}. Not {done}: {', '.join(missing)}."
            )
        raise


@contextmanager
def explain(doing: str) -> Iterator[None]:
    """Describe in each error of a block what the block does, for example ``export app 'hello'``."""
    try:
        with files.explain_os_errors(doing):
            yield
    except PublishError as error:
        raise PublishError(f"Cannot {doing}: {error.message}", hint=error.hint) from error
