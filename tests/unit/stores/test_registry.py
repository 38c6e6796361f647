import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fakes.registry_server import Registry, digest, serve_registry
from venvstacks.errors import ConflictError, NotInStoreError, StoreError
from venvstacks.files import sha256
from venvstacks.stores import registry_client, registry_format
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.interface import Blob
from venvstacks.stores.registry import RegistryStore
from venvstacks.stores.registry_names import file_tag, parse_registry, release_tag

NAME = "metadata/timestamp.json"
CONTENT = bytes(range(256)) * 10
BLOB = Blob(sha256(CONTENT), len(CONTENT))
OTHER = Blob(sha256(b"other"), 5)


@pytest.fixture
def server() -> Iterator[Registry]:
    with serve_registry() as registry:
        yield registry


@pytest.fixture
def store(server: Registry) -> Iterator[RegistryStore]:
    store = RegistryStore(parse_registry(server.address), environ={}, patience=Patience(attempts=2, pause=0.0))
    yield store
    store.close()


def whole(store: RegistryStore, name: str, start: int = 0, size: int | None = None) -> bytes:
    return b"".join(store.stream(name, start, size))


class TestFiles:
    def test_a_small_file_is_read_by_one_request(self, store: RegistryStore, server: Registry) -> None:
        assert store.create(NAME, b"{}")
        del server.asked[:]
        assert store.read(NAME, 10).data == b"{}"
        assert server.asked == [f"GET manifests/{file_tag(NAME)}"]

    def test_a_larger_one_is_read_from_its_blob(self, store: RegistryStore) -> None:
        data = os.urandom(100_000)
        store.create("metadata/1.targets.json", data)
        assert store.read("metadata/1.targets.json", 1 << 20).data == data
        assert whole(store, "metadata/1.targets.json", 10, 20) == data[10:30]
        with pytest.raises(StoreError, match="has 100000 bytes; at most 99999"):
            store.read("metadata/1.targets.json", 99_999)

    def test_an_empty_file(self, store: RegistryStore) -> None:
        store.create("targets/empty", b"")
        assert store.read("targets/empty", 0).data == b""
        assert store.size("targets/empty") == 0

    def test_a_taken_name_is_not_written(self, store: RegistryStore) -> None:
        assert store.create(NAME, b"one")
        assert not store.create(NAME, b"two")
        assert store.read(NAME, 10).data == b"one"
        assert not store.creates_once

    def test_who_is_overwritten_at_once_is_told_so(self, store: RegistryStore, server: Registry) -> None:
        store.create(NAME, b"of another run")
        other = server.tags.pop(file_tag(NAME))
        server.overwriting[file_tag(NAME)] = other
        assert not store.create(NAME, b"one")
        server.tags.clear()
        with pytest.raises(ConflictError, match="was replaced by another run"):
            store.replace(NAME, b"one", None)

    def test_only_the_state_that_was_read_is_replaced(self, store: RegistryStore) -> None:
        store.replace(NAME, b"one", None)
        with pytest.raises(ConflictError, match="was changed by another run"):
            store.replace(NAME, b"two", None)
        tag = store.read(NAME, 10).tag
        store.replace(NAME, b"two", tag)
        with pytest.raises(ConflictError, match="was changed by another run"):
            store.replace(NAME, b"three", tag)
        assert store.read(NAME, 10).data == b"two"

    def test_a_missing_file_is_told_apart(self, store: RegistryStore) -> None:
        assert store.size(NAME) is None
        assert store.size(BLOB.name) is None
        for name in (NAME, BLOB.name):
            with pytest.raises(NotInStoreError, match="has no"):
                store.read(name, 10)
            with pytest.raises(NotInStoreError, match="has no"):
                whole(store, name)

    def test_something_else_under_a_tag_is_refused(self, store: RegistryStore, server: Registry) -> None:
        store.create(NAME, b"one")
        server.tags[file_tag("metadata/other.json")] = server.tags[file_tag(NAME)]
        with pytest.raises(StoreError, match=r"has something else under the tag _smetadata_sother.json"):
            store.read("metadata/other.json", 10)
        server.tags[release_tag("1.0")] = server.tags[file_tag(NAME)]
        with pytest.raises(StoreError, match=r"has something else under the tag 1\.0"):
            store.keep_together("1.0", {})
        store.forget_together("1.0")  # is not a release, and stays
        assert release_tag("1.0") in server.tags


class TestBlobs:
    def test_a_blob_is_a_blob_of_the_registry(
        self, store: RegistryStore, server: Registry, tmp_path: Path
    ) -> None:
        (tmp_path / "archive").write_bytes(CONTENT)
        assert store.create(BLOB.name, tmp_path / "archive")
        assert server.blobs == {f"sha256:{BLOB.sha256}": CONTENT}
        assert store.size(BLOB.name) == len(CONTENT)
        assert store.read(BLOB.name, 10_000).data == CONTENT
        assert whole(store, BLOB.name) == CONTENT
        assert whole(store, BLOB.name, 100, 200) == CONTENT[100:300]

    def test_one_that_is_there_is_not_sent_again(self, store: RegistryStore, server: Registry) -> None:
        store.create(BLOB.name, CONTENT)
        del server.asked[:]
        assert not store.create(BLOB.name, CONTENT)
        assert server.asked == [f"HEAD blobs/sha256:{BLOB.sha256}"]

    def test_the_registry_refuses_other_content(self, store: RegistryStore) -> None:
        with pytest.raises(StoreError, match=r"Cannot write .* answered 400 .*DIGEST_INVALID: provided digest"):
            store.create(BLOB.name, b"other")

    @pytest.mark.parametrize("is_file", [True, False])
    def test_what_is_too_large_for_a_proxy_is_sent_in_chunks(
        self,
        store: RegistryStore,
        server: Registry,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        *,
        is_file: bool,
    ) -> None:
        monkeypatch.setattr(registry_client, "_CHUNKS", (0, 2000, 1000))
        (tmp_path / "archive").write_bytes(CONTENT)
        server.largest = 1500
        assert store.create(BLOB.name, tmp_path / "archive" if is_file else CONTENT)
        assert server.blobs == {f"sha256:{BLOB.sha256}": CONTENT}
        server.blobs.clear()
        server.largest = 500
        with pytest.raises(StoreError, match="answered 413"):
            store.create(BLOB.name, CONTENT)

    def test_an_upload_begins_again_when_the_server_fails(self, store: RegistryStore, server: Registry) -> None:
        server.failing = [503]
        assert store.create(BLOB.name, CONTENT)
        assert server.asked.count("POST blobs/uploads/") == 2
        server.failing = [503, 503]
        with pytest.raises(StoreError, match="503 Service Unavailable"):
            store.create(OTHER.name, b"other")


class TestTampering:
    def test_other_bytes_in_a_manifest_are_refused(self, store: RegistryStore, server: Registry) -> None:
        store.create(NAME, b"one")
        ((_, manifest),) = server.manifests.values()
        server.lies[manifest] = manifest.replace(b"timestamp", b"timestomp")
        with pytest.raises(StoreError, match="the manifest has another digest than it should"):
            store.read(NAME, 10)

    def test_no_manifest_at_all_is_refused(self, store: RegistryStore, server: Registry) -> None:
        server.manifests[digest(b"nonsense")] = (registry_format.MANIFEST, b"nonsense")
        server.tags[file_tag(NAME)] = digest(b"nonsense")
        with pytest.raises(StoreError, match="the manifest is damaged"):
            store.read(NAME, 10)

    def test_other_bytes_in_a_blob_are_refused(self, store: RegistryStore, server: Registry) -> None:
        store.create(BLOB.name, CONTENT)
        server.lies[CONTENT] = CONTENT[:-1] + b"?"
        with pytest.raises(StoreError, match="sends another content than sha256:"):
            store.read(BLOB.name, 10_000)
        with pytest.raises(StoreError, match="arrived with other bytes"):
            whole(store, BLOB.name)

    def test_other_bytes_within_a_manifest_are_not_believed(self, store: RegistryStore, server: Registry) -> None:
        store.create(NAME, b"one")
        ((kind, manifest),) = server.manifests.values()
        forged = manifest.replace(b'"data":"b25l"', b'"data":"dHdv"')
        server.manifests[digest(forged)] = (kind, forged)
        server.tags[file_tag(NAME)] = digest(forged)
        assert store.read(NAME, 10).data == b"one"  # from its blob
        broken = manifest.replace(b'"data":"b25l"', b'"data":"*"')
        server.manifests[digest(broken)] = (kind, broken)
        server.tags[file_tag(NAME)] = digest(broken)
        assert store.read(NAME, 10).data == b"one"

    def test_a_list_that_is_none_is_refused(self, store: RegistryStore, server: Registry) -> None:
        store.create(NAME, b"one")
        tags = f'{{"name": "of/products", "tags": ["{file_tag(NAME)}"]}}'.encode()
        server.lies[tags] = b'{"tags": 1}'
        with pytest.raises(StoreError, match="the list of tags is damaged"):
            list(store.names(""))


class TestListing:
    def test_files_are_listed_by_their_tags(self, store: RegistryStore, server: Registry) -> None:
        server.page = 2
        long = f"targets/releases/{'ab' * 32}.{'long' * 30}-linux_x86_64.json"
        for name in ("metadata/1.root.json", "metadata/12.root.json", "metadata/2.root.json", long):
            store.create(name, name.encode())
        assert {entry.name for entry in store.names("metadata/1")} == {
            "metadata/1.root.json",
            "metadata/12.root.json",
        }
        (found,) = store.names("targets/")
        assert (found.name, found.size) == (long, len(long))
        assert found.modified > 1_700_000_000
        assert len(list(store.names(""))) == 4

    def test_an_empty_repository_has_no_files(self, store: RegistryStore) -> None:
        assert list(store.names("")) == []

    def test_blobs_are_listed_by_the_releases_that_need_them(self, store: RegistryStore, server: Registry) -> None:
        store.create(BLOB.name, CONTENT)
        store.create(OTHER.name, b"other")
        assert list(store.names("blobs/")) == []
        store.keep_together("1.0", {"linux_x86_64": [BLOB, OTHER, OTHER], "win_amd64": [BLOB]})
        store.keep_together("1.1", {"linux_x86_64": [BLOB]})
        assert sorted((entry.name, entry.size) for entry in store.names("blobs/")) == sorted(
            [(BLOB.name, BLOB.size), (OTHER.name, OTHER.size)]
        )
        assert [entry.name for entry in store.names(BLOB.name)] == [BLOB.name]
        assert server.tags.keys() == {
            "1.0",
            "1.0_plinux__x86__64",
            "1.0_pwin__amd64",
            "1.1",
            "1.1_plinux__x86__64",
        }

    def test_images_of_others_are_not_ours(self, store: RegistryStore, server: Registry) -> None:
        store.create(NAME, b"one")
        image = b'{"schemaVersion":2,"annotations":{"org.opencontainers.image.created":"yesterday"}}'
        server.manifests[digest(image)] = (registry_format.MANIFEST, image)
        server.tags["latest"] = server.tags["_hashed"] = digest(image)
        assert [entry.name for entry in store.names("")] == [NAME]

    def test_a_time_that_is_none_is_long_ago(self, store: RegistryStore, server: Registry) -> None:
        manifest = registry_format.encode(registry_format.file_manifest(NAME, b"one", "yesterday"))
        server.manifests[digest(manifest)] = (registry_format.MANIFEST, manifest)
        server.tags[file_tag(NAME)] = digest(manifest)
        assert [entry.modified for entry in store.names("")] == [0.0]


class TestReleases:
    def test_platforms_of_an_earlier_run_are_kept(self, store: RegistryStore, server: Registry) -> None:
        store.keep_together("1.0", {"linux_x86_64": [BLOB]})
        store.keep_together("1.0", {"win_amd64": [OTHER]})
        index = registry_format.decode(server.manifests[server.tags["1.0"]][1], "")
        assert [
            (entry.platform.os, entry.platform.architecture) for entry in index.manifests if entry.platform
        ] == [
            ("linux", "amd64"),
            ("windows", "amd64"),
        ]
        assert {entry.name for entry in store.names("blobs/")} == {BLOB.name, OTHER.name}

    def test_what_is_there_is_not_written_again(self, store: RegistryStore, server: Registry) -> None:
        store.keep_together("1.0", {"linux_x86_64": [BLOB]})
        del server.asked[:]
        store.keep_together("1.0", {"linux_x86_64": [BLOB]})
        assert "PUT manifests/1.0" not in server.asked

    def test_runs_that_overwrite_each_other_for_ever_are_an_error(
        self, store: RegistryStore, server: Registry
    ) -> None:
        store.keep_together("1.0", {"linux_x86_64": [BLOB]})
        server.overwriting["1.0"] = server.tags["1.0"]
        with pytest.raises(ConflictError, match=r"The index of release 1\.0"):
            store.keep_together("1.0", {"win_amd64": [BLOB]})

    def test_a_forgotten_release_leaves_others_as_they_are(self, store: RegistryStore, server: Registry) -> None:
        for version in ("1.0", "1.1"):
            store.keep_together(version, {"linux_x86_64": [BLOB]})
        store.forget_together("1.0")
        store.forget_together("1.0")
        assert server.tags.keys() == {"1.1", "1.1_plinux__x86__64"}
        assert [entry.name for entry in store.names("blobs/")] == [BLOB.name]

    def test_a_copy_without_the_type_of_the_index_is_a_release(
        self, store: RegistryStore, server: Registry
    ) -> None:
        store.keep_together("1.0", {"linux_x86_64": [BLOB]})
        kind, index = server.manifests[server.tags["1.0"]]
        copied = registry_format.encode(
            msgspec.structs.replace(registry_format.decode(index, ""), artifact_type="")  # as skopeo 1.9 does
        )
        server.manifests[digest(copied)] = (kind, copied)
        server.tags["1.0"] = digest(copied)
        assert [entry.name for entry in store.names("blobs/")] == [BLOB.name]
        store.forget_together("1.0")
        assert server.tags == {}


class TestDeleting:
    def test_what_is_deleted_is_gone_and_may_be_gone_before(self, store: RegistryStore) -> None:
        store.create(NAME, b"same")
        store.create("metadata/1.root.json", b"same")
        store.create(BLOB.name, CONTENT)
        for name in (NAME, BLOB.name) * 2:
            store.delete(name)
        assert store.size(NAME) is None
        assert store.size(BLOB.name) is None
        assert store.read("metadata/1.root.json", 10).data == b"same"

    def test_a_registry_that_deletes_nothing_is_an_error(self, store: RegistryStore, server: Registry) -> None:
        store.create(NAME, b"one")
        store.create(BLOB.name, CONTENT)
        store.keep_together("1.0", {"linux_x86_64": [BLOB]})
        server.deletes = False
        with pytest.raises(StoreError, match=r"does not let 'metadata/timestamp.json' be deleted") as caught:
            store.delete(NAME)
        assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in str(caught.value.hint)
        with pytest.raises(StoreError, match=r"does not let 'release 1\.0' be deleted"):
            store.forget_together("1.0")
        store.delete(BLOB.name)  # is collected by the registry when nothing refers to it


class TestAnswers:
    def test_what_is_no_registry_is_named(self, server: Registry) -> None:
        other = parse_registry(f"oci+http://{server.host}/other")
        with closing(RegistryStore(other, environ={})) as store:
            with pytest.raises(
                StoreError, match=r"Cannot write oci\+http://.*/other: .* 404 .*NAME_UNK"
            ) as caught:
                store.create(BLOB.name, CONTENT)
            assert "have to be told of a repository" in str(caught.value.hint)

    def test_a_web_page_in_place_of_a_registry(self, store: RegistryStore, server: Registry) -> None:
        server.tags["any"] = digest(b"page")
        tags = b'{"name": "of/products", "tags": ["any"]}'
        server.lies[tags] = b"<html>"
        with pytest.raises(StoreError, match="the list of tags is damaged"):
            list(store.names(""))
        server.largest = 1
        with pytest.raises(StoreError, match="answered 413") as caught:
            store.create(BLOB.name, CONTENT)
        assert "may be no registry" in str(caught.value.hint)
