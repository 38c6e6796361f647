"""What publishing and exporting tell while they work."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from venvstacks import files
from venvstacks.building.built_layer import BuiltLayer
from venvstacks.errors import PublishError, VenvstacksError
from venvstacks.manifests.manifest_format import (
    LAYER_METADATA_FOLDER,
    METADATA_FOLDER,
    LayerManifest,
    StackManifest,
    read_manifest,
    write_manifest,
)

Manifest_contra = TypeVar("Manifest_contra", bound=LayerManifest, contravariant=True)


def content_size(built: BuiltLayer) -> int:
    """Add up the sizes of a layer's files, in bytes."""
    return sum(entry.size for entry in built.entries)


def remove_leftovers(output: Path) -> None:
    """Remove what an interrupted run left in an output folder."""
    with explained(f"clean the folder {output}"):
        for folder in (output, output / METADATA_FOLDER, output / LAYER_METADATA_FOLDER):
            files.remove_leftovers(folder)


class _Plan(Protocol[Manifest_contra]):
    @property
    def manifest_path(self) -> Path: ...
    def manifest(self, selected: Mapping[str, Manifest_contra]) -> StackManifest: ...


class _Planned(Protocol[Manifest_contra]):
    @property
    def layer(self) -> str: ...
    @property
    def manifest_path(self) -> Path: ...
    def is_described_by(self, manifest: Manifest_contra) -> bool: ...


@contextmanager
def truthful(
    plan: _Plan[Manifest_contra],
    planned: Sequence[_Planned[Manifest_contra]],
    kind: type[Manifest_contra],
    done: str,
) -> Iterator[None]:
    """When a block ends early, describe the layers that took their place, and say in its error which did."""
    try:
        yield
    except BaseException as error:
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
def explained(doing: str) -> Iterator[None]:
    """Turn operating system errors of a block into messages, and say of its own errors where they arose."""
    try:
        yield
    except PublishError as error:
        raise PublishError(f"Cannot {doing}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise files.explain_os_error(error, doing) from error
