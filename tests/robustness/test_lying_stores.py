"""Stores whose files are not what they should be: nothing of that reaches a deployment, or leads out of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import venvstacks
from fakes.pushed_stores import PushedStore, make_store
from venvstacks import files
from venvstacks.archives.index import ArchiveIndex, IndexEntry, content_hash, decode_index, encode_index
from venvstacks.entries import EntryKind
from venvstacks.errors import VenvstacksError
from venvstacks.options import Options
from venvstacks.releases.release_format import (
    BlobReference,
    Release,
    ReleaseLayer,
    closure_id,
    decode_release,
    encode_release,
)
from venvstacks.stores.interface import blob_name
from venvstacks.trust.catalog import CatalogEntry
from venvstacks.trust.repository import change_catalog

HOW = Options(jobs=2)
PLATFORM = "linux_x86_64"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> PushedStore:
    """Push a release, and another one with other layers."""
    store = make_store(tmp_path_factory.mktemp("pushed") / "store")
    store.push("1", "1", channels=("old",))
    store.push("2", "2", channels=("new",))
    return store


def deploy(store: Path, pushed: PushedStore, root: Path, channel: str) -> venvstacks.Deployed:
    return venvstacks.deploy(str(store), to=root, root=pushed.root, channel=channel, options=HOW)


def flip(data: bytes) -> bytes:
    """Change a byte in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": flip,
    "reversed": lambda data: data[::-1],
    "zeros": lambda data: bytes(len(data)),
    "shorter": lambda data: data[:-1],
    "longer": lambda data: data + b"?",
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("change", [*CHANGES, "another"])
def test_each_file_of_the_store_in_turn(made: PushedStore, tmp_path: Path, change: str) -> None:
    store, old = tmp_path / "store", tmp_path / "old"
    shutil.copytree(made.folder, store)
    deploy(store, made, old, "old")
    shutil.copytree(old, tmp_path / "undisturbed", symlinks=True)
    before = {
        path: path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file() and path.stat().st_size
    }
    deploy(store, made, tmp_path / "undisturbed", "new")
    refused = 0
    for number, (path, data) in enumerate(before.items()):
        another = next(other for other in before.values() if other != data)
        path.write_bytes(another if change == "another" else CHANGES[change](data))
        root = tmp_path / str(number)
        shutil.copytree(old, root, symlinks=True)
        try:
            deploy(store, made, root, "new")
        except VenvstacksError:
            refused += 1
            assert venvstacks.deployment_status(root).products[0].generations[0].release == "1"
        assert venvstacks.verify_deployment(root, options=HOW).findings == ()
        path.write_bytes(data)
        assert deploy(store, made, root, "new").release == "2"
        assert venvstacks.verify_deployment(root, options=HOW).findings == ()
        shutil.rmtree(root)
    assert refused >= 4  # at least the timestamp, the release file, an index, and an archive


def push_forged(made: PushedStore, folder: Path, change: Callable[[Release], Release]) -> PushedStore:
    """Sign a release that was changed, in a copy of a store: that is what a publisher's own tools may do."""
    shutil.copytree(made.folder, folder)
    store = PushedStore(folder, type(made.store)(folder), made.signers, made.root)  # type: ignore[call-arg]
    (path,) = (folder / "targets" / "releases").glob(f"*.2-{PLATFORM}.json")
    release = msgspec.structs.replace(decode_release(path.read_bytes(), "2", PLATFORM), version="3")
    data = encode_release(change(release))
    entry = CatalogEntry("3", PLATFORM, files.sha256(data), len(data), pushed=3)
    change_catalog(
        store.store,
        store.signers,
        lambda catalog: catalog.with_entries([entry]).with_channel("new", "3"),
        files={entry.name: data},
    )
    return store


def with_layer(release: Release, target: str, **changes: object) -> Release:
    """Change what a release says of a layer."""
    layers = tuple(
        msgspec.structs.replace(layer, **changes) if layer.install_target == target else layer
        for layer in release.layers
    )
    return msgspec.structs.replace(release, layers=layers)


def swapped(field: str) -> Callable[[Release], Release]:
    """Return what gives an application a field of another one."""
    return lambda release: with_layer(release, "app-hello", **{field: getattr(release.layer("app-two"), field)})


@pytest.mark.parametrize(
    "change",
    [
        swapped("index"),
        swapped("archive"),
        swapped("content_hash"),
        swapped("closure_id"),
        lambda release: with_layer(release, "app-hello", install_target="../app-hello"),
        lambda release: with_layer(release, "app-hello", install_target="/app-hello"),
        lambda release: with_layer(release, "app-hello", install_target=".layer"),
        lambda release: with_layer(release, "app-hello", below=("nowhere",)),
        lambda release: with_layer(release, "app-hello", layer_name="app-../../hello"),
        lambda release: msgspec.structs.replace(release, version="4"),
        lambda release: msgspec.structs.replace(release, platform="linux_aarch64"),
        lambda release: msgspec.structs.replace(release, format=99),
    ],
)
def test_release_file_that_contradicts_itself(
    made: PushedStore, tmp_path: Path, change: Callable[[Release], Release]
) -> None:
    root = tmp_path / "root"
    deploy(made.folder, made, root, "old")
    store = push_forged(made, tmp_path / "store", change)
    with pytest.raises(VenvstacksError) as caught:
        venvstacks.deploy(store.address, to=root, product=".", root=store.root, channel="new", options=HOW)
    assert caught.value.hint
    assert venvstacks.verify_deployment(root, options=HOW).findings == ()
    assert venvstacks.deployment_status(root).products[0].generations[0].release == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "store"]


def entry(path: str, kind: EntryKind = EntryKind.FOLDER, target: str = "") -> IndexEntry:
    return IndexEntry(path, kind, 0o755 if kind is EntryKind.FOLDER else 0o777, target=target)


@pytest.mark.parametrize(
    "added",
    [
        (entry("../out"),),
        (entry("/out"),),
        (entry("x"), entry("x/../../out")),
        (entry("x/./y"),),
        (entry("link", EntryKind.SYMLINK, "../../out"),),
        (entry("link", EntryKind.SYMLINK, "/etc/passwd"),),
        (entry("link", EntryKind.SYMLINK, "../.layer/lease"),),
        (entry("link", EntryKind.SYMLINK, "bin"), entry("link/x")),
        (entry("x\x00y"),),
    ],
)
def test_index_that_leads_out(made: PushedStore, tmp_path: Path, added: tuple[IndexEntry, ...]) -> None:
    def change(release: Release) -> Release:
        layer = release.layer("app-hello")
        index = decode_index((made.folder / blob_name(layer.index.sha256)).read_bytes(), "index")
        kinds = [EntryKind.FOLDER, EntryKind.FILE, EntryKind.SYMLINK]
        entries = tuple(sorted((*index.entries, *added), key=lambda found: kinds.index(found.type)))
        return put_index(release, layer, msgspec.structs.replace(index, entries=entries))

    def put_index(release: Release, layer: ReleaseLayer, index: ArchiveIndex) -> Release:
        hashed = content_hash(index.entries, index.mtime)
        data = encode_index(msgspec.structs.replace(index, content_hash=hashed))
        blob = BlobReference(files.sha256(data), len(data))
        files.write_bytes(tmp_path / "index", data)
        below = [(name, release.layer(name).content_hash) for name in layer.below]
        return with_layer(
            release,
            "app-hello",
            index=blob,
            content_hash=hashed,
            closure_id=closure_id("app-hello", hashed, below),
        )

    store = push_forged(made, tmp_path / "store", change)
    data = (tmp_path / "index").read_bytes()
    files.write_bytes(store.folder / blob_name(files.sha256(data)), data)
    root = tmp_path / "inside" / "root"
    with pytest.raises(VenvstacksError, match=r"refused|leads|cannot|declared|name"):
        venvstacks.deploy(store.address, to=root, root=store.root, channel="new", options=HOW)
    assert not (root / "current").exists()
    assert sorted(path.name for path in tmp_path.rglob("*out*")) == []
    assert [path.name for path in root.parent.iterdir()] == ["root"]
