"""Requests of any kind: logins that are asked for, uploads, what is tried again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.hostile_proxy import HostileProxy, Trouble, hostile_proxy
from fakes.store_server import serve_folder
from venvstacks.errors import StoreError
from venvstacks.stores.http_attempts import Attempts, Patience
from venvstacks.stores.http_client import HttpClient
from venvstacks.stores.interface import Traffic
from venvstacks.stores.web import WebStore

QUICK = Patience(pause=0.001)
CONTENT = bytes(range(256)) * 4000
ASKS = Trouble(status=401, headers={"WWW-Authenticate": 'Bearer realm="https://tokens.invalid"'})


class Tokens:
    """Gets a new token whenever it is asked for one."""

    def __init__(self, willing: int = 99) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.willing = willing

    def header(self, method: str, url: str) -> str | None:
        assert method
        assert url
        return f"Bearer {len(self.asked)}" if self.asked else None

    def challenged(self, method: str, url: str, headers: Mapping[str, str]) -> bool:
        self.asked.append((method, url, headers["www-authenticate"]))
        return len(self.asked) <= self.willing


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[HostileProxy]:
    (tmp_path / "x").write_bytes(b"content")
    with serve_folder(tmp_path) as server, hostile_proxy(server.url) as proxy:
        yield proxy


def client_of(proxy: HostileProxy, tokens: Tokens | None = None) -> HttpClient:
    return HttpClient(proxy.url, Traffic(), authorizer=tokens, environ={}, patience=QUICK)


def test_a_file_is_sent_again_whole_when_that_failed(proxy: HostileProxy, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(CONTENT)
    proxy.once(Trouble(silent=True), Trouble(status=503), Trouble(status=201, headers={"Location": "/x"}))
    answer = client_of(proxy).request("PUT", f"{proxy.url}/up", body=tmp_path / "content", headers={"X-Name": "1"})
    assert (answer.status, answer.headers["location"], answer.data) == (201, "/x", b"")
    assert [asked.body == CONTENT for asked in proxy.asked] == [True] * 3
    assert {asked.headers["content-length"] for asked in proxy.asked} == {str(len(CONTENT))}
    assert {asked.headers["x-name"] for asked in proxy.asked} == {"1"}


@pytest.mark.parametrize(("method", "again", "count"), [("POST", None, 1), ("PATCH", None, 1), ("POST", True, 5)])
def test_what_may_not_happen_twice_is_not_tried_again(
    proxy: HostileProxy, method: str, again: Any, count: int
) -> None:
    proxy.decide = lambda _: Trouble(silent=True)
    with pytest.raises(StoreError, match="the connection broke"):
        client_of(proxy).request(method, proxy.url, body=b"1", again=again)
    assert len(proxy.asked) == count


def test_a_failure_of_what_is_not_tried_again_is_an_answer(proxy: HostileProxy) -> None:
    proxy.once(Trouble(status=503))
    assert client_of(proxy).request("POST", proxy.url).status == 503


def test_a_login_is_learned_when_it_is_asked_for(proxy: HostileProxy) -> None:
    tokens = Tokens()
    client = client_of(proxy, tokens)
    proxy.once(ASKS)
    assert client.request("GET", f"{proxy.url}/x").data == b"content"
    assert client.request("GET", f"{proxy.url}/x").data == b"content"
    assert tokens.asked == [("GET", f"{proxy.url}/x", 'Bearer realm="https://tokens.invalid"')]
    assert [asked.headers.get("authorization") for asked in proxy.asked] == [None, "Bearer 1", "Bearer 1"]


@pytest.mark.parametrize(("willing", "count"), [(0, 1), (1, 2), (99, 3)])
def test_a_login_that_does_not_help_is_an_answer(proxy: HostileProxy, willing: int, count: int) -> None:
    proxy.decide = lambda _: ASKS
    assert client_of(proxy, Tokens(willing)).request("GET", f"{proxy.url}/x").status == 401
    assert len(proxy.asked) == count


def test_only_the_own_server_gets_logins_and_headers(proxy: HostileProxy) -> None:
    tokens = Tokens()
    tokens.asked.append(("", "", ""))
    client = HttpClient("http://127.0.0.2:1", Traffic(), authorizer=tokens, environ={}, patience=QUICK)
    proxy.decide = lambda _: ASKS
    assert client.request("GET", f"{proxy.url}/x").status == 401
    assert "authorization" not in proxy.asked[0].headers
    with hostile_proxy(proxy.url) as first:
        first.decide = lambda _: Trouble(redirect=proxy.url)
        client_of(first).request("GET", f"{first.url}/x", headers={"X-Key": "secret", "Accept": "text/plain"})
    assert "x-key" not in proxy.asked[-1].headers
    assert proxy.asked[-1].headers["accept"] == "text/plain"


@pytest.mark.parametrize(
    ("status", "method", "body"), [(303, "GET", b""), (307, "POST", b"1"), (308, "POST", b"1")]
)
def test_redirects_of_what_is_sent(proxy: HostileProxy, status: int, method: str, body: bytes) -> None:
    proxy.once(Trouble(status=status, headers={"Location": "/x"}))
    client_of(proxy).request("POST", f"{proxy.url}/up", body=b"1")
    assert (proxy.asked[1].method, proxy.asked[1].path, proxy.asked[1].body) == (method, "/x", body)


def test_a_redirect_that_would_change_what_is_sent_is_refused(proxy: HostileProxy) -> None:
    proxy.once(Trouble(status=301, headers={"Location": "https://other.invalid/x?signature=secret"}))
    with pytest.raises(StoreError, match="redirects PUT to another address") as raised:
        client_of(proxy).request("PUT", f"{proxy.url}/up", body=b"1")
    assert "secret" not in str(raised.value)


def test_a_redirect_to_what_is_no_address_is_refused(proxy: HostileProxy) -> None:
    proxy.once(Trouble(status=302, headers={"Location": "http://[::1/x"}))
    with pytest.raises(StoreError, match="redirects to an address that is not secure"):
        client_of(proxy).request("GET", f"{proxy.url}/x")


def test_an_answer_that_is_too_large_is_an_error(proxy: HostileProxy) -> None:
    with pytest.raises(StoreError, match="has more than 6 bytes"):
        client_of(proxy).request("GET", f"{proxy.url}/x", largest=6)


def test_an_answer_that_breaks_off_is_asked_for_again_unless_that_changes_something(proxy: HostileProxy) -> None:
    proxy.once(Trouble(cut=3))
    assert client_of(proxy).request("GET", f"{proxy.url}/x").data == b"content"
    proxy.once(Trouble(cut=3))
    with pytest.raises(StoreError, match="it ended too early"):
        client_of(proxy).request("GET", f"{proxy.url}/x", again=False)


@pytest.mark.parametrize(
    "url", ["http://[::1/x", "http://a b/x", "http://\u2028/x", f"http://{'a' * 70}.invalid/"]
)
def test_what_is_no_address_is_an_error(url: str) -> None:
    client = HttpClient("http://127.0.0.1", Traffic(), environ={}, patience=QUICK)
    with pytest.raises(StoreError):
        client.request("GET", url)


def test_a_client_that_was_closed_says_so(proxy: HostileProxy) -> None:
    client = client_of(proxy)
    client.request("GET", f"{proxy.url}/x")
    client.close()
    with pytest.raises(StoreError, match="was closed meanwhile"):
        client.request("GET", f"{proxy.url}/x")


def test_pauses_grow_and_end() -> None:
    waited: list[float] = []
    attempts = Attempts(Patience(pause=1, attempts=5, longest=3), waited.append)
    for _ in range(4):
        attempts.failed(StoreError("x"))
    assert [0.5 <= waited[0] <= 1, 1 <= waited[1] <= 2, 2 <= waited[2] <= 3, waited[3] == 3] == [True] * 4
    with pytest.raises(StoreError):
        attempts.failed(StoreError("x"))
    attempts.succeeded()
    attempts.failed(StoreError("x"), 2.5)
    assert waited[-1] == 2.5
    with pytest.raises(StoreError):
        attempts.failed(StoreError("x"), 3.5)


def test_a_proxy_gets_its_login_and_asks_for_it(proxy: HostileProxy) -> None:
    proxy.decide = lambda _: Trouble(status=407)
    environ = {"HTTP_PROXY": proxy.url.replace("://", "://name:s%40cret@")}
    store = WebStore("http://store.invalid/x", environ=environ, patience=QUICK)
    with pytest.raises(StoreError, match="407 Proxy Authentication Required") as raised:
        store.read("metadata/timestamp.json", 10)
    assert "cret" not in str(raised.value)
    assert "HTTP_PROXY" in str(raised.value)
    assert proxy.asked[0].path == "http://store.invalid/x/metadata/timestamp.json"
    assert proxy.asked[0].headers["proxy-authorization"] == "Basic bmFtZTpzQGNyZXQ="
