"""Stores in buckets of moto, which keeps conditions, and of rclone, which does not and answers ranges oddly."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.cloud_servers import BUCKET, credentials, serve_moto, serve_rclone
from fakes.hostile_proxy import Trouble, hostile_proxy
from fakes.store_suite import CHECKS, Check, StoreUnderTest, names_of_checks
from venvstacks.errors import ConflictError, StoreError
from venvstacks.files import sha256
from venvstacks.stores import bucket as bucket_module
from venvstacks.stores.addresses import open_writable
from venvstacks.stores.interface import WritableStore, blob_name

NAME = "metadata/timestamp.json"
SERVERS = {"moto": serve_moto, "rclone": serve_rclone}


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Run a server, and return its name and address."""
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as url:
        yield request.param, url


@pytest.fixture
def under_test(server: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreUnderTest:
    for name, value in credentials(server[1]).items():
        monkeypatch.setenv(name, value)
    return StoreUnderTest(opened, tmp_path, keeps_conditions=server[0] == "moto")


def opened() -> WritableStore:
    return open_writable(f"s3://{BUCKET}/of/products")


@pytest.mark.parametrize("check", CHECKS, ids=names_of_checks)
def test_store(check: Check, under_test: StoreUnderTest) -> None:
    check(under_test)


def test_what_a_server_makes_of_conditions_is_found_out(
    server: tuple[str, str], under_test: StoreUnderTest
) -> None:
    assert under_test.open().creates_once is (server[0] == "moto")


def test_a_stale_state_is_not_replaced_even_if_the_server_would(under_test: StoreUnderTest) -> None:
    writer, name = under_test.open(), "metadata/stale.json"
    writer.replace(name, b"one", None)
    old = writer.read(name, 10).tag
    under_test.open().replace(name, b"two", old)
    for tag in (old, None):
        with pytest.raises(ConflictError):
            writer.replace(name, b"three", tag)
    assert writer.read(name, 10).data == b"two"


def test_of_runs_that_replace_at_once_no_loser_believes_to_have_won(under_test: StoreUnderTest) -> None:
    """Without conditions more than one may find its own content for a moment, but the last to be told has it."""
    name, runs = "metadata/contested.json", 4
    under_test.open().replace(name, b"", None)
    old = under_test.open().read(name, 10).tag
    together = threading.Barrier(runs)

    def replace(number: int) -> bool:
        writer = under_test.open()
        together.wait()
        try:
            writer.replace(name, b"%d" % number, old)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(runs) as pool:
        won = list(pool.map(replace, range(runs)))
    found = int(under_test.open().read(name, 10).data)
    assert won[found]
    assert not under_test.keeps_conditions or sum(won) == 1


def test_a_large_file_goes_in_parts_and_comes_in_pieces(under_test: StoreUnderTest, tmp_path: Path) -> None:
    content = bytes(range(256)) * (10 << 12)
    assert len(content) > bucket_module.PART
    (tmp_path / "archive").write_bytes(content)
    name = blob_name(sha256(content))
    assert under_test.open().create(name, tmp_path / "archive")
    assert not under_test.open().create(name, tmp_path / "archive")
    assert b"".join(under_test.open().stream(name)) == content
    assert b"".join(under_test.open().stream(name, 9_000_000, 1000)) == content[9_000_000:9_001_000]


@pytest.mark.parametrize("server", ["moto"], indirect=True)  # rclone signs the name of the host, as Amazon does
def test_what_breaks_off_goes_on(
    server: tuple[str, str], under_test: StoreUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 4000
    name = blob_name(sha256(content))
    under_test.open().create(name, content)
    with hostile_proxy(server[1]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        for trouble in (Trouble(cut=300_000), Trouble(status=503), Trouble(silent=True)):
            proxy.decide = lambda _, trouble=trouble: trouble if len(proxy.asked) % 2 else None  # type: ignore[misc]
            assert b"".join(opened().stream(name)) == content


@pytest.mark.usefixtures("under_test")
def test_a_bucket_that_is_not_there_is_told_apart() -> None:
    with pytest.raises(StoreError, match="there is no such bucket"):
        list(open_writable("s3://other").names(""))


@pytest.mark.parametrize("server", ["rclone"], indirect=True)  # moto lets everybody in
def test_errors_name_the_bucket_and_what_to_do_but_no_key(
    under_test: StoreUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "WRONG-KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "WRONG-SECRET")
    with pytest.raises(StoreError, match=rf"Cannot write .* of s3://{BUCKET}/of/products: .*403") as caught:
        under_test.open().create(NAME, b"")
    assert "AWS_ACCESS_KEY_ID" in str(caught.value.hint)
    assert "WRONG" not in str(caught.value)
