"""Stores on nginx: the suite of all stores, and what only a real server shows."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.certificates import make_certificate
from fakes.hostile_proxy import Trouble, hostile_proxy
from fakes.nginx import Nginx, Served, serve_nginx
from fakes.patience import PATIENCE
from fakes.store_suite import CHECKS, Check, StoreUnderTest, names_of_checks
from servers.conftest import StartNginx
from venvstacks.errors import StoreError
from venvstacks.stores.folder import FolderStore
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.web import WebStore

_QUICK = Patience(pause=0.001)
_LOGIN = "name:pass%20word"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture(params=["plain", "without ranges", "behind a slow line", "breaking off", "with TLS and a login"])
def under_test(
    folder: Path, tmp_path: Path, start_nginx: StartNginx, request: pytest.FixtureRequest
) -> Iterator[StoreUnderTest]:
    environ: dict[str, str] = {}
    if request.param == "with TLS and a login":
        certificate = make_certificate(tmp_path)
        environ = {"SSL_CERT_FILE": str(certificate[0])}
        (tmp_path / "passwords").write_text("name:{PLAIN}pass word\n")
        settings = f"auth_basic all; auth_basic_user_file {tmp_path}/passwords;"
        nginx = start_nginx(folder, settings=settings, certificate=certificate)
        url = nginx.url.replace("://", f"://{_LOGIN}@")
    else:
        nginx = start_nginx(folder, settings="max_ranges 0;" if request.param == "without ranges" else "gzip on;")
        url = nginx.url
    with hostile_proxy(url) as proxy:
        if request.param == "behind a slow line":
            url, proxy.rate = proxy.url, 20e6
            proxy.decide = lambda _: Trouble(latency=0.005)
        if request.param == "breaking off":
            url = proxy.url
            proxy.decide = lambda asked: Trouble(cut=150_000) if "blobs" in asked.path else None
        yield StoreUnderTest(
            lambda: FolderStore(folder), tmp_path, lambda: WebStore(url, environ=environ, patience=_QUICK)
        )


@pytest.mark.parametrize("check", CHECKS, ids=names_of_checks)
def test_store(check: Check, under_test: StoreUnderTest) -> None:
    check(under_test)


def test_connections_are_kept(folder: Path, start_nginx: StartNginx) -> None:
    content = bytes(range(256)) * 1000
    FolderStore(folder).create("blobs/x", content)
    nginx = start_nginx(folder)
    store = WebStore(nginx.url, environ={})
    parts = [b"".join(store.stream("blobs/x", start, 1000)) for start in range(0, 256_000, 16_000)]
    assert parts == [content[start : start + 1000] for start in range(0, 256_000, 16_000)]
    assert store.size("blobs/absent") is None
    with pytest.raises(StoreError):
        store.read("metadata/absent.json", 10)
    store.close()
    served = all_served(nginx, 18)
    assert len({one.connection for one in served}) == 1
    assert sum(one.sent for one in served if one.status == 206) == 16_000
    assert store.traffic.requests == len(served)


def all_served(nginx: Nginx, count: int) -> list[Served]:
    """Return what nginx served, once all of it is in its log."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if len(nginx.served()) >= count:
            break
        waiting.wait(0.02)
    return nginx.served()


def test_many_clients_at_once_get_the_bytes_that_they_asked_for(folder: Path, start_nginx: StartNginx) -> None:
    content = bytes(range(251)) * 4000
    FolderStore(folder).create("blobs/x", content)
    nginx = start_nginx(folder)

    def fetch(number: int) -> tuple[int, int]:
        store = WebStore(nginx.url, environ={})
        for start in (number, 500_000 + number):
            assert b"".join(store.stream("blobs/x", start, 5000)) == content[start : start + 5000]
        store.close()
        return store.traffic.requests, store.traffic.received

    with ThreadPoolExecutor(50) as pool:
        traffic = list(pool.map(fetch, range(200)))
    assert traffic == [(2, 10_000)] * 200
    served = all_served(nginx, 400)
    assert sum(one.sent for one in served) == 2_000_000


def test_a_certificate_that_nobody_vouches_for_is_refused(
    folder: Path, tmp_path: Path, start_nginx: StartNginx
) -> None:
    FolderStore(folder).create("blobs/x", b"content")
    nginx = start_nginx(folder, certificate=make_certificate(tmp_path))
    store = WebStore(nginx.url, environ={}, patience=_QUICK)
    with pytest.raises(StoreError, match=r"no secure connection.*certificate") as raised:
        store.read("blobs/x", 10)
    assert "SSL_CERT_FILE" in str(raised.value)
    assert store.traffic.requests == 1


def test_a_login_is_taken_from_netrc_and_is_needed(folder: Path, tmp_path: Path, start_nginx: StartNginx) -> None:
    FolderStore(folder).create("blobs/x", b"content")
    (tmp_path / "passwords").write_text("name:{PLAIN}pass\n")
    nginx = start_nginx(folder, settings=f"auth_basic all; auth_basic_user_file {tmp_path}/passwords;")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login name password pass\n")
    netrc.chmod(0o600)
    assert WebStore(nginx.url, environ={"NETRC": str(netrc)}).read("blobs/x", 10).data == b"content"
    for url in (nginx.url, nginx.url.replace("://", "://name:wrong@")):
        with pytest.raises(StoreError, match="401 Unauthorized") as raised:
            WebStore(url, environ={}).read("blobs/x", 10)
        assert "netrc" in str(raised.value)
        assert "wrong" not in str(raised.value)


def test_requests_go_through_a_proxy_unless_it_is_not_for_the_server(
    folder: Path, tmp_path: Path, start_nginx: StartNginx
) -> None:
    FolderStore(folder).create("blobs/x", b"content")
    nginx = start_nginx(folder)
    other = tmp_path / "other"
    other.mkdir()
    proxy = start_nginx(other, settings="location / { proxy_pass http://$http_host$request_uri; }")
    direct = WebStore(nginx.url, environ={"HTTP_PROXY": proxy.url, "NO_PROXY": "10.0.0.0/8, 127.0.0.0/8"})
    assert direct.read("blobs/x", 10).data == b"content"
    assert not proxy.served()
    assert WebStore(nginx.url, environ={"HTTP_PROXY": proxy.url}).read("blobs/x", 10).data == b"content"
    assert all_served(proxy, 1)


def test_a_server_that_is_stopped_in_a_download_is_an_error(folder: Path, tmp_path: Path) -> None:
    content = bytes(20_000_000)
    FolderStore(folder).create("blobs/x", content)
    logs = tmp_path / "logs"
    logs.mkdir()
    with serve_nginx(folder, logs, settings="limit_rate 4m;") as nginx:
        store = WebStore(nginx.url, environ={}, patience=_QUICK)
        pieces = store.stream("blobs/x")
        next(pieces)
    with pytest.raises(StoreError, match="no connection: Connection refused"):
        list(pieces)
