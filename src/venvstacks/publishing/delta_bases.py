"""Published states of layers from which deltas lead to the new ones."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.errors import ArchiveError, PublishError
from venvstacks.manifests.manifest_format import DELTA_SUFFIX, INDEX_SUFFIX
from venvstacks.manifests.published import PublishedLayer, read_published
from venvstacks.platforms.targets import Target

_ENDINGS = "|".join(re.escape(kind.value) for kind in ArchiveFormat)
_HASH_DIGITS = 16  # of a content hash in a file name


@dataclass(frozen=True, slots=True)
class DeltaBase:
    """A published state of a layer.

    Attributes:
        archive: Its archive.
        content_hash: Of everything that unpacking it makes; empty if it was published without an index.
        present: Whether archive and index are there.
        requested: Whether a delta from this very state is asked for; otherwise one is made if that can be.
    """

    archive: Path
    content_hash: str
    present: bool = True
    requested: bool = True


def find_delta_bases(
    output: Path, names: Collection[str], target: Target, *, requested: Iterable[Path], earlier: bool
) -> Mapping[str, tuple[DeltaBase, ...]]:
    """Find states from which deltas may lead to the layers that are published.

    They are what ``requested`` folders and manifests describe, and with ``earlier`` builds in the output folder.
    """
    found: dict[str, list[DeltaBase]] = {name: [] for name in names}
    for path in requested:
        for layer in read_published(path):
            if layer.manifest.layer_name in found and layer.manifest.target_platform == target.name:
                found[layer.manifest.layer_name].append(_requested(layer))
    if earlier and output.is_dir():
        present = sorted(path.name for path in output.iterdir())
        for name, bases in found.items():
            bases.extend(_earlier(output, name, target, present))
    return {name: tuple(bases) for name, bases in found.items()}


def _requested(layer: PublishedLayer) -> DeltaBase:
    has_index = layer.manifest.archive_index_name is not UNSET
    content_hash = (layer.manifest.archive_content_hash or "") if has_index else ""
    return DeltaBase(layer.archive, content_hash, None not in (layer.archive_size, layer.index_size))


def _earlier(output: Path, name: str, target: Target, present: Iterable[str]) -> tuple[DeltaBase, ...]:
    """Find the archives of one layer, also those of other build numbers and of other versions of the layer."""
    pattern = re.compile(
        rf"{re.escape(name)}(?:@([0-9]+))?(?:-{target.name}-([0-9]+))?\.(?:{_ENDINGS}){re.escape(INDEX_SUFFIX)}"
    )
    bases = []
    for found in filter(None, map(pattern.fullmatch, present)):
        archive = output / found[0].removesuffix(INDEX_SUFFIX)
        try:
            index, _ = read_index(archive)
        except (ArchiveError, OSError):
            continue
        if (index.layer_name, index.target_platform) == (name, target.name) and archive.is_file():
            order = index.mtime, int(found[1] or 0), int(found[2] or 0), archive.name
            bases.append((order, DeltaBase(archive, index.content_hash, requested=False)))
    return tuple(base for _, base in sorted(bases, key=lambda each: each[0], reverse=True))


def plan_deltas(
    bases: Sequence[DeltaBase], count: int, *, title: str, archive_name: str, reached: Collection[str]
) -> Mapping[str, DeltaBase]:
    """Choose from which states deltas are made if they turn out to be worth it: file name -> state.

    bases: Requested ones first, then the last ones first, of which ``count`` are chosen.
    reached: Content hashes from which no delta is needed.
    """
    chosen: dict[str, DeltaBase] = {}
    for base in bases:
        name = _delta_name(archive_name, base.content_hash)
        if name in chosen or base.content_hash in reached:
            continue
        if not base.requested:
            if count == 0:
                continue
            count -= 1
        if not base.present or not base.content_hash:
            missing = "it or its index is not there" if base.content_hash else "it was published without an index"
            raise PublishError(
                f"There can be no delta for {title} from the archive {base.archive}: {missing}.",
                hint="restore what was published, or leave it out of --delta-from",
            )
        chosen[name] = base
    return chosen


def _delta_name(archive_name: str, content_hash: str) -> str:
    digits = content_hash.removeprefix("sha256:")[:_HASH_DIGITS]
    return f"{_stem(archive_name)}.from-{digits}{DELTA_SUFFIX}"


def find_deltas(archive: Path) -> list[Path]:
    """Find everything that is called like a delta that leads to an archive."""
    pattern = re.compile(
        rf"{re.escape(_stem(archive.name))}\.from-[0-9a-f]{{{_HASH_DIGITS}}}{re.escape(DELTA_SUFFIX)}"
    )
    return sorted(path for path in archive.parent.glob(f"*{DELTA_SUFFIX}") if pattern.fullmatch(path.name))


def _stem(archive_name: str) -> str:
    """Return an archive's name without the ending that names its format."""
    kinds = (f".{kind.value}" for kind in ArchiveFormat)
    return next(archive_name.removesuffix(kind) for kind in kinds if archive_name.endswith(kind))
