from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.s3_server import Bucket, serve_bucket
from venvstacks.errors import ConflictError, NotInStoreError, StoreError
from venvstacks.stores import bucket as bucket_module
from venvstacks.stores import bucket_clients
from venvstacks.stores.bucket import BucketStore, attributes, open_bucket
from venvstacks.stores.interface import Blob, blob_name

NAME = "metadata/timestamp.json"


@pytest.fixture
def server() -> Iterator[Bucket]:
    with serve_bucket() as bucket:
        yield bucket


@pytest.fixture
def store(server: Bucket, monkeypatch: pytest.MonkeyPatch) -> BucketStore:
    environ = server.environ()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bucket_clients, "_RETRIES", 0)
    return open_bucket("s3://bucket/of/products", environ)


def whole(store: BucketStore, name: str, start: int = 0, size: int | None = None) -> bytes:
    return b"".join(store.stream(name, start, size))


class TestReading:
    def test_a_file_has_content_and_a_tag_that_changes_with_it(self, store: BucketStore) -> None:
        store.create(NAME, b"one")
        first = store.read(NAME, 100)
        store.replace(NAME, b"two", first.tag)
        second = store.read(NAME, 100)
        assert (first.data, second.data) == (b"one", b"two")
        assert first.tag != second.tag

    def test_a_larger_file_than_expected_is_not_read(self, store: BucketStore) -> None:
        store.create(NAME, b"0123456789")
        with pytest.raises(StoreError, match="has 10 bytes; at most 9 are expected"):
            store.read(NAME, 9)
        assert store.traffic.received == 0

    def test_a_missing_file_is_told_apart(self, store: BucketStore) -> None:
        assert store.size("nothing") is None
        with pytest.raises(NotInStoreError, match="s3://bucket/of/products has no file 'nothing'"):
            store.read("nothing", 1)
        with pytest.raises(NotInStoreError, match="has no file 'nothing'"):
            whole(store, "nothing")
        with pytest.raises(NotInStoreError, match="has no file 'nothing'"):
            whole(store, "nothing", 1, 2)

    @pytest.mark.parametrize("ranges", [True, False])
    def test_a_range_is_exactly_what_was_asked_for(
        self, store: BucketStore, server: Bucket, *, ranges: bool
    ) -> None:
        server.ranges = ranges  # a server that answers with another status: cut from the whole
        store.create("file", bytes(range(256)))
        assert whole(store, "file") == bytes(range(256))
        assert whole(store, "file", 250) == bytes(range(250, 256))
        assert whole(store, "file", 7, 100) == bytes(range(7, 107))
        assert whole(store, "file", 7, 0) == b""
        assert whole(store, "file", 256) == b""

    @pytest.mark.parametrize("ranges", [True, False])
    def test_a_file_that_ends_before_the_range_is_an_error(
        self, store: BucketStore, server: Bucket, *, ranges: bool
    ) -> None:
        server.ranges = ranges
        store.create("file", b"0123456789")
        with pytest.raises(StoreError, match="has 10 bytes; 12 were expected"):
            whole(store, "file", 8, 4)

    def test_what_does_not_answer_ranges_is_asked_for_one_once(self, store: BucketStore, server: Bucket) -> None:
        server.ranges = False
        store.create("file", b"0123456789")
        assert [whole(store, "file", 1, 2) for _ in range(3)] == [b"12"] * 3
        assert server.asked.count("GET of/products/file") == 4

    def test_a_broken_connection_is_made_again_where_it_broke(self, store: BucketStore, server: Bucket) -> None:
        content = bytes(range(256)) * 1000
        store.create("file", content)
        server.cut = [100_000, 50_000, 1]
        assert whole(store, "file") == content
        assert store.traffic.received == len(content)

    def test_a_connection_that_brings_nothing_is_an_error(self, store: BucketStore, server: Bucket) -> None:
        store.create("file", b"0123456789")
        server.cut = [0] * 20
        with pytest.raises(StoreError, match="Cannot read 'file' of s3://bucket/of/products"):
            whole(store, "file")

    def test_a_download_that_is_too_slow_is_given_up(
        self, store: BucketStore, server: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.create("file", b"0123456789")
        monkeypatch.setattr(bucket_module, "_PATIENCE", -1.0)
        monkeypatch.setattr(bucket_module, "_SLOWEST", 1e12)
        server.cut = [4]
        with pytest.raises(StoreError, match="arrives too slowly: 4 bytes in 0 seconds"):
            whole(store, "file")


class TestWriting:
    @pytest.mark.parametrize(("conditions", "once"), [("kept", True), ("ignored", False), ("refused", False)])
    def test_whether_names_are_created_once_is_found_out(
        self, store: BucketStore, server: Bucket, conditions: str, *, once: bool
    ) -> None:
        server.conditions = conditions  # type: ignore[assignment]
        assert store.creates_once is once
        assert store.creates_once is once
        assert len(server.asked) <= 4
        assert list(store.names("")) == []

    def test_the_second_run_finds_out_by_one_request(self, store: BucketStore, server: Bucket) -> None:
        server.files["of/products/probe"] = b""
        assert store.creates_once
        assert server.asked == ["PUT of/products/probe"]

    @pytest.mark.parametrize("conditions", ["kept", "ignored", "refused"])
    def test_a_taken_name_is_not_written(self, store: BucketStore, server: Bucket, conditions: str) -> None:
        server.conditions = conditions  # type: ignore[assignment]
        assert store.create("file", b"one")
        assert not store.create("file", b"two")
        assert store.read("file", 10).data == b"one"

    @pytest.mark.parametrize("conditions", ["kept", "ignored", "refused"])
    def test_only_the_state_that_was_read_is_replaced(
        self, store: BucketStore, server: Bucket, conditions: str
    ) -> None:
        server.conditions = conditions  # type: ignore[assignment]
        store.replace(NAME, b"one", None)
        with pytest.raises(ConflictError, match="changed by another run"):
            store.replace(NAME, b"two", None)
        tag = store.read(NAME, 10).tag
        store.replace(NAME, b"two", tag)
        with pytest.raises(ConflictError, match="changed by another run"):
            store.replace(NAME, b"three", tag)
        assert store.read(NAME, 10).data == b"two"

    @pytest.mark.parametrize("conditions", ["kept", "ignored"])
    def test_what_another_run_overwrites_at_once_is_noticed(
        self, store: BucketStore, server: Bucket, conditions: str
    ) -> None:
        server.conditions = conditions  # type: ignore[assignment]
        server.losing = f"of/products/{NAME}"
        with pytest.raises(ConflictError, match="was replaced at once"):
            store.replace(NAME, b"one", None)

    def test_what_changes_between_reading_and_writing_is_noticed(
        self, store: BucketStore, server: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert store.creates_once
        server.files[f"of/products/{NAME}"] = b"of another run"
        monkeypatch.setattr(BucketStore, "_check_tag", lambda *_: None)
        with pytest.raises(ConflictError, match="was not written"):
            store.replace(NAME, b"one", None)
        with pytest.raises(ConflictError, match="was not written"):
            store.replace(NAME, b"one", '"old"')

    def test_a_refusal_of_what_was_written_after_all_is_none(
        self, store: BucketStore, server: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert store.creates_once
        server.files[f"of/products/{NAME}"] = b"one"  # the answer was lost, and the client asked again
        monkeypatch.setattr(BucketStore, "_check_tag", lambda *_: None)
        store.replace(NAME, b"one", None)

    def test_large_files_are_sent_in_parts(
        self, store: BucketStore, server: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bucket_module, "PART", 5 << 20)
        path = tmp_path / "archive"
        path.write_bytes(bytes(range(256)) * (12 << 12))
        name = blob_name("ab" * 32)
        assert store.create(name, path)
        assert not store.create(name, path)
        assert server.files[f"of/products/{name}"] == path.read_bytes()
        assert server.asked.count(f"PUT of/products/{name}") == 3

    def test_small_files_are_sent_at_once(self, store: BucketStore, server: Bucket, tmp_path: Path) -> None:
        path = tmp_path / "index"
        path.write_bytes(b"small")
        store.create("file", path)
        assert server.files["of/products/file"] == b"small"

    def test_caches_are_told_what_lasts(self, store: BucketStore, server: Bucket) -> None:
        store.create(blob_name("ab" * 32), b"one")
        store.create(NAME, b"{}")
        headers = [server.headers[f"of/products/{name}"] for name in (blob_name("ab" * 32), NAME)]
        assert [entry["cache-control"] for entry in headers] == ["public, max-age=31536000, immutable", "no-cache"]
        assert [entry["content-type"] for entry in headers] == ["application/octet-stream", "application/json"]
        assert "immutable" in attributes("targets/releases/ab.1-linux_x86_64.json")["Cache-Control"]

    def test_files_are_listed_by_how_their_names_begin(self, store: BucketStore, server: Bucket) -> None:
        server.modified = 1_800_000_000
        for name in ("metadata/1.root.json", "metadata/12.root.json", "metadata/2.root.json", "targets/x"):
            store.create(name, name.encode())
        assert {entry.name for entry in store.names("metadata/1")} == {
            "metadata/1.root.json",
            "metadata/12.root.json",
        }
        (found,) = store.names("targets/")
        assert (found.size, found.modified) == (9, 1_800_000_000)

    def test_what_is_deleted_is_gone_and_may_be_gone_before(self, store: BucketStore) -> None:
        store.create("file", b"one")
        store.delete("file")
        store.delete("file")
        assert store.size("file") is None

    def test_buckets_keep_everything_by_themselves(self, store: BucketStore, server: Bucket) -> None:
        store.keep_together("1.0", {"linux_x86_64": [Blob("ab" * 32, 1)]})
        store.forget_together("1.0")
        store.close()
        assert server.asked == []
