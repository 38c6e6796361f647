"""Releases of layers of any content, and stores that hold them, without a stack."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fakes.archiving import small_frames
from fakes.built_layers import make_tree
from fakes.deltas import Content, delta_between
from fakes.memory_store import MemoryStore
from venvstacks import files
from venvstacks.archives.archive_plan import plan_archive
from venvstacks.archives.archive_writer import write_archive
from venvstacks.archives.formats import ArchiveFormat, Profile
from venvstacks.archives.pool import frame_pool
from venvstacks.deploying.fetch_plan import FetchPlan, plan_layers
from venvstacks.deploying.inventory import read_inventory
from venvstacks.deploying.layer_indexes import read_indexes
from venvstacks.deploying.places import Home
from venvstacks.deploying.provide import provide_layers
from venvstacks.entries import scan
from venvstacks.manifests.manifest_format import index_beside
from venvstacks.releases.release_format import BlobReference, DeltaReference, ReleaseLayer, closure_id
from venvstacks.stores.interface import Store, blob_name
from venvstacks.work import Work

PLATFORM = "linux_x86_64"
MTIME = 1_709_294_401
KINDS = {"app": "application", "framework": "framework"}


@dataclass
class Publisher:
    """Packs layers, and puts them into a store in memory.

    Attributes:
        folder: For archives.
        store: The store.
        profile: How archives are divided.
    """

    folder: Path
    store: MemoryStore
    profile: Profile
    _count: int = 0

    def layer(
        self,
        target: str,
        content: Content,
        below: Iterable[ReleaseLayer] = (),
        *,
        delta_from: ReleaseLayer | None = None,
        platform: str = PLATFORM,
        mtime: int = MTIME,
    ) -> ReleaseLayer:
        """Publish a layer; what its archive is named is of no account."""
        self._count += 1
        tree = make_tree(self.folder / f"tree-{self._count}", content)
        archive = self.folder / f"{self._count}-{target}.{self.profile.format}"
        plan = plan_archive(
            scan(tree), target, mtime=mtime, profile=self.profile, group_of=lambda _: None, windows=False
        )
        with frame_pool(Work(jobs=2)) as pool:
            written, index, content_hash = write_archive(
                plan,
                tree,
                archive,
                layer_name=target,
                target_platform=platform,
                pool=pool,
                cache=None,
                progress=lambda _: None,
            )
        for path in (archive, index_beside(archive)):
            self.put(path.read_bytes())
        beneath = tuple(below)
        return ReleaseLayer(
            layer_name=target,
            install_target=target,
            kind=KINDS.get(target.partition("-")[0], "runtime"),
            below=tuple(layer.install_target for layer in beneath),
            content_hash=content_hash,
            closure_id=closure_id(
                target, content_hash, [(layer.install_target, layer.content_hash) for layer in beneath]
            ),
            archive=BlobReference(written.sha256, written.size),
            archive_name=archive.name,
            index=BlobReference(index.sha256, index.size),
            deltas=() if delta_from is None else self._delta(delta_from, archive),
        )

    def _delta(self, old: ReleaseLayer, archive: Path) -> tuple[DeltaReference, ...]:
        delta = self.folder / f"{self._count}.vdelta"
        written = delta_between(self.folder / old.archive_name, archive, delta)
        assert written is not None
        self.put(delta.read_bytes())
        return (DeltaReference(written.sha256, written.size, old.content_hash),)

    def put(self, data: bytes) -> str:
        sha256 = files.sha256(data)
        self.store.contents[blob_name(sha256)] = data
        return sha256


def publisher(folder: Path, kind: ArchiveFormat = ArchiveFormat.TAR_ZST, scale: int = 1 << 10) -> Publisher:
    """Return a publisher whose archives have small frames; see :func:`fakes.archiving.small_frames`."""
    folder.mkdir(parents=True, exist_ok=True)
    return Publisher(folder, MemoryStore(), small_frames(kind, scale=scale))


def plan(home: Home, store: Store, layers: Iterable[ReleaseLayer], work: Work | None = None) -> FetchPlan:
    """Plan a deployment of layers."""
    wanted = tuple(layers)
    inventory = read_inventory(home)
    indexes = read_indexes(store, PLATFORM, wanted, inventory, work or Work(jobs=2))
    return plan_layers(home, wanted, inventory, indexes)


def provide(home: Home, store: Store, layers: Iterable[ReleaseLayer], work: Work | None = None) -> FetchPlan:
    """Deploy layers, and return the plan."""
    planned = plan(home, store, layers, work)
    provide_layers(planned, home, store, work or Work(jobs=2))
    return planned


def contents(home: Home) -> Mapping[str, bytes]:
    """Return what layers hold that are in their places, and what else is in the deployment's folder."""
    return {
        path.relative_to(home.root).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(home.root.rglob("*"))
    }
