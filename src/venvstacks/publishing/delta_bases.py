"""Published states of layers from which deltas lead to the new ones."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import SUFFIX
from venvstacks.errors import ArchiveError
from venvstacks.platforms.targets import Target
from venvstacks.publishing.catalog import CataloguedLayer, read_catalog

_ENDINGS = "|".join(re.escape(kind.value) for kind in ArchiveFormat)


@dataclass(frozen=True, slots=True)
class OldState:
    """A published state of a layer.

    Attributes:
        archive: Its archive.
        content_hash: Of everything that unpacking it makes; empty if it was published without an index.
        present: Whether archive and index are there.
        asked: Whether a delta from this very state is asked for; otherwise one is made if that can be.
    """

    archive: Path
    content_hash: str
    present: bool = True
    asked: bool = True


def read_states(
    output: Path, names: Collection[str], target: Target, *, asked: Iterable[Path], earlier: bool
) -> Mapping[str, tuple[OldState, ...]]:
    """Find states from which deltas may lead to what is published."""
    found: dict[str, list[OldState]] = {name: [] for name in names}
    for path in asked:
        for layer in read_catalog(path):
            if layer.manifest.layer_name in found and layer.manifest.target_platform == target.name:
                found[layer.manifest.layer_name].append(_asked(layer))
    if earlier and output.is_dir():
        present = sorted(path.name for path in output.iterdir())
        for name, states in found.items():
            states.extend(_earlier(output, name, target, present))
    return {name: tuple(states) for name, states in found.items()}


def _asked(layer: CataloguedLayer) -> OldState:
    archive = layer.archive
    present = archive.is_file() and archive.with_name(archive.name + SUFFIX).is_file()
    has_index = layer.manifest.archive_index_name is not UNSET
    return OldState(archive, (layer.manifest.archive_content_hash or "") if has_index else "", present)


def _earlier(output: Path, name: str, target: Target, present: Iterable[str]) -> tuple[OldState, ...]:
    """Find the archives of one layer, also those of other build numbers and of other versions of the layer."""
    pattern = re.compile(
        rf"{re.escape(name)}(?:@([0-9]+))?(?:-{target.name}-([0-9]+))?\.(?:{_ENDINGS}){re.escape(SUFFIX)}"
    )
    states = []
    for found in filter(None, map(pattern.fullmatch, present)):
        archive = output / found[0].removesuffix(SUFFIX)
        try:
            index, _ = read_index(archive)
        except (ArchiveError, OSError):
            continue
        if (index.layer_name, index.target_platform) == (name, target.name) and archive.is_file():
            order = index.mtime, int(found[1] or 0), int(found[2] or 0), archive.name
            states.append((order, OldState(archive, index.content_hash, asked=False)))
    return tuple(state for _, state in sorted(states, key=lambda each: each[0], reverse=True))
