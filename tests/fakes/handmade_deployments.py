"""A small deployment with one application, and a store with its release, made without the code that deploys."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fakes.archiving import pack, small_frames, unpack
from fakes.built_layers import make_tree
from fakes.memory_store import MemoryStore
from venvstacks import files
from venvstacks.archives.archive_reader import read_index
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.deploying.deployment_format import Deployment, Generation, GenerationApplication, GenerationLayer
from venvstacks.deploying.generations import switch, write_deployment, write_generation
from venvstacks.deploying.launchers import generation_launcher, start_file
from venvstacks.deploying.places import Home
from venvstacks.deploying.programs import arrange_programs
from venvstacks.deploying.repair_plan import Origin
from venvstacks.manifests.manifest_format import index_beside
from venvstacks.releases.release_format import (
    BlobReference,
    Release,
    ReleaseLayer,
    closure_id,
    decode_release,
    encode_release,
)
from venvstacks.stores.interface import blob_name

RUNTIME = "cpython-3.12@1"
APPLICATION = "app-hello@1"

CONTENTS: Mapping[str, Mapping[str, bytes | str | None]] = {
    RUNTIME: {
        "!bin/python": b'#!/bin/sh\nexec sh "$@"\n',
        "lib/os.py": b"os = 1\n" * 500,
        "lib/random.bin": bytes(range(256)) * 200,
        "lib/libx.so": "libx.so.1",
        "lib/libx.so.1": b"\x7fELF" + bytes(5000),
    },
    APPLICATION: {
        "hello.py": b"print('hello')\n",
        "pkg/__init__.py": b"",
        "pkg/core.py": b"one = 1\n",
        "!bin/python": b'#!/bin/sh\necho hello "$@"\n',
    },
}


@dataclass(frozen=True)
class Handmade:
    """A deployment, and the store that it came from.

    Attributes:
        home: The deployment.
        store: Has the blobs of the release.
        release: What was deployed.
    """

    home: Home
    store: MemoryStore
    release: Release

    def save(self, folder: Path) -> None:
        """Write the store and the release into a folder, for another process."""
        for name, data in self.store.contents.items():
            files.write_bytes(folder / name, data)
        (folder / "release.json").write_bytes(encode_release(self.release))

    @classmethod
    def load(cls, folder: Path, root: Path) -> "Handmade":
        """Read what was saved, for a deployment that is somewhere."""
        store = MemoryStore()
        for path in (folder / "blobs").rglob("*"):
            if path.is_file():
                store.contents[path.relative_to(folder).as_posix()] = path.read_bytes()
        release = decode_release((folder / "release.json").read_bytes(), "1", "linux_x86_64")
        return cls(Home(root), store, release)

    def find(self, layer_id: str) -> Origin:
        """Return where a layer can be fetched from."""
        layer = next(layer for layer in self.release.layers if layer.id == layer_id)
        return Origin(self.home, self.store, self.release, layer)

    def layer(self, install_target: str) -> Path:
        """Return the folder of a layer."""
        return self.home.place(self.release.layer(install_target)).path


def make_release(folder: Path, store: MemoryStore, version: str = "1") -> Release:
    """Pack the layers, put them into a store, and describe them."""
    layers: dict[str, ReleaseLayer] = {}
    for target, content in CONTENTS.items():
        below = tuple(name for name in (RUNTIME,) if name != target)
        archive = folder / f"{target}.tar.zst"
        profile = small_frames(ArchiveFormat.TAR_ZST)
        name = target.partition("@")[0]
        tree = make_tree(folder / target, content)
        pack(tree, archive, ArchiveFormat.TAR_ZST, profile=profile, top=target, layer_name=name)
        index, _ = read_index(archive)
        blobs = [_put(store, path) for path in (archive, index_beside(archive))]
        layers[target] = ReleaseLayer(
            layer_name=name,
            install_target=target,
            kind="application" if name.startswith("app-") else "runtime",
            below=below,
            content_hash=index.content_hash,
            closure_id=closure_id(target, index.content_hash, [(b, layers[b].content_hash) for b in below]),
            archive=blobs[0],
            archive_name=archive.name,
            index=blobs[1],
            launch_module="hello" if name.startswith("app-") else "",
        )
    return Release(format=1, version=version, platform="linux_x86_64", layers=tuple(layers.values()))


def _put(store: MemoryStore, path: Path) -> BlobReference:
    data = path.read_bytes()
    blob = BlobReference(files.sha256(data), len(data))
    store.create(blob_name(blob.sha256), data)
    return blob


def make_deployment(folder: Path, *, product: str = "") -> Handmade:
    """Make a store and a deployment with one generation below a folder."""
    store = MemoryStore()
    release = make_release(folder / "packed", store)
    home = Home(folder / "deployed", product)
    for layer in release.layers:
        place = home.place(layer)
        unpack(folder / "packed" / layer.archive_name, place.path)
        place.index.parent.mkdir()
        place.index.write_bytes(store.contents[blob_name(layer.index.sha256)])
        place.lease.touch()
        for name in layer.below:
            (place.folder / name).symlink_to(f"../{release.layer(name).id}/{name}")
    write_deployment(
        home, Deployment(format=1, store=store.address, signed=False, platform=release.platform, channel="stable")
    )
    generation = describe_generation(home, release)
    for name, how in generation.applications.items():
        launcher = generation_launcher(name, 1, product=product, windows=False)
        write_generation(home, generation, [(launcher, start_file(name, how, windows=False))])
    switch(home, 1)
    arrange_programs(home.root)
    return Handmade(home, store, release)


def describe_generation(home: Home, release: Release, number: int = 1) -> Generation:
    """Return a generation of a release with one application."""
    layers = tuple(
        GenerationLayer(
            id=layer.id,
            install_target=layer.install_target,
            layer_name=layer.layer_name,
            kind=layer.kind,
            content_hash=layer.content_hash,
            below=layer.below,
        )
        for layer in release.layers
    )
    path = home.place(release.layer(APPLICATION)).path.relative_to(home.root).as_posix()
    application = GenerationApplication(
        layer=path, launcher="bin/hello", python=f"{path}/bin/python", arguments=("-P", "-m", "hello")
    )
    return Generation(
        format=1,
        number=number,
        release=release.version,
        platform=release.platform,
        store="store",
        created=1,
        layers=layers,
        applications={"hello": application},
    )


def rewrite(document: Path, **changes: object) -> None:
    """Change some fields of a document."""
    content = msgspec.json.decode(document.read_bytes())
    document.write_bytes(msgspec.json.encode({**content, **changes}))
