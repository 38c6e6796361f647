"""What a store on a web server makes of servers that break off, stall, lie or send it elsewhere."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.certificates import make_certificate
from fakes.connect_proxy import connect_proxy
from fakes.hostile_proxy import HostileProxy, Trouble, hostile_proxy
from fakes.patience import PATIENCE
from fakes.store_server import StoreServer, serve_folder
from venvstacks.errors import NotInStoreError, StoreError
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.http_client import HttpClient
from venvstacks.stores.web import WebStore

CONTENT = bytes(range(251)) * 2000  # half a megabyte
QUICK = Patience(pause=0.001)
HASTY = Patience(pause=0.001, stall=0.2, attempts=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    (folder / "blobs").mkdir(parents=True)
    (folder / "metadata").mkdir()
    (folder / "blobs" / "x").write_bytes(CONTENT)
    (folder / "metadata" / "timestamp.json").write_bytes(b"{}")
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[StoreServer]:
    with serve_folder(folder) as server:
        yield server


@pytest.fixture
def proxy(server: StoreServer) -> Iterator[HostileProxy]:
    with hostile_proxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: HostileProxy) -> WebStore:
    return WebStore(proxy.url, environ={}, patience=QUICK)


def read(store: WebStore, start: int = 0, size: int | None = None) -> bytes:
    return b"".join(store.stream("blobs/x", start, size))


def ranges(proxy: HostileProxy) -> list[str | None]:
    return [asked.headers.get("range") for asked in proxy.asked]


class TestConnectionsThatBreak:
    def test_a_download_goes_on_where_it_broke(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.once(Trouble(cut=100_000), Trouble(silent=True), Trouble(cut=200_000))
        assert read(store) == CONTENT
        assert (
            ranges(proxy) == [None, "bytes=100000-", "bytes=100000-", "bytes=300000-"] or ranges(proxy)[0] is None
        )
        assert proxy.sent == len(CONTENT)
        assert store.traffic.received == len(CONTENT)
        assert store.traffic.requests == 4

    def test_a_part_goes_on_where_it_broke(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.once(Trouble(cut=1000))
        assert read(store, 5000, 3000) == CONTENT[5000:8000]
        assert ranges(proxy) == ["bytes=5000-7999", "bytes=6000-7999"]

    def test_it_goes_on_only_in_the_file_that_it_began_with(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.once(Trouble(cut=1000))
        read(store)
        assert proxy.asked[1].headers["if-range"].startswith('"')
        proxy.once(Trouble(cut=1000, headers={"ETag": 'W/"1"'}))
        read(store)
        assert "if-range" not in proxy.asked[3].headers

    def test_what_another_server_tags_otherwise_is_read_whole(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.once(Trouble(cut=1000, headers={"ETag": '"of another server"'}))
        assert read(store) == CONTENT
        assert proxy.sent == 1000 + len(CONTENT)

    def test_it_goes_on_as_long_as_something_arrives(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(cut=25_000)
        assert read(store) == CONTENT
        assert len(proxy.asked) > 20

    def test_it_gives_up_if_nothing_arrives(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(cut=0)
        with pytest.raises(StoreError, match="the connection broke: it ended too early"):
            read(store)
        proxy.decide = lambda _: Trouble(silent=True)
        with pytest.raises(StoreError, match="the connection broke"):
            store.read("metadata/timestamp.json", 10)
        assert len(proxy.asked) == 10

    def test_a_small_file_is_read_again_from_its_beginning(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.once(Trouble(cut=1))
        assert store.read("metadata/timestamp.json", 10).data == b"{}"
        assert ranges(proxy) == [None, None]

    def test_an_answer_that_may_have_been_cut_off_is_not_believed(
        self, store: WebStore, proxy: HostileProxy
    ) -> None:
        proxy.once(Trouble(cut=1000, unsized=True), Trouble(unsized=True))
        assert read(store) == CONTENT
        proxy.decide = lambda _: Trouble(unsized=True)
        with pytest.raises(StoreError, match="does not say how long its answer is"):
            read(store, 10, 5000)

    def test_pieces_that_say_their_own_length_are_read(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(chunked=True)
        assert read(store) == CONTENT
        assert read(store, 3, 4) == CONTENT[3:7]
        proxy.once(Trouble(chunked=True, cut=10_000))
        assert read(store) == CONTENT

    def test_a_server_that_is_not_there(self) -> None:
        with serve_folder(Path()) as server:
            pass
        store = WebStore(server.url, environ={}, patience=QUICK)
        with pytest.raises(StoreError, match="no connection: Connection refused") as raised:
            store.size("blobs/x")
        assert raised.value.hint == "check the address, and the network"
        assert store.traffic.requests == 5

    def test_a_name_that_nobody_knows(self) -> None:
        store = WebStore("http://name:secret@store.invalid/x", environ={}, patience=QUICK)
        with pytest.raises(StoreError, match=r"no machine is known as store\.invalid") as raised:
            store.size("blobs/x")
        assert "secret" not in str(raised.value)


class TestSlowServers:
    @pytest.mark.parametrize(
        ("trouble", "message"),
        [
            (Trouble(mute=True), "nothing was heard for 0.2 seconds"),
            (Trouble(stall=0), "nothing was heard for 0.2 seconds"),
            (Trouble(drip=0.02), "the server sent only"),
            (Trouble(drip_head=0.02), "nothing was heard for 0.2 seconds"),
        ],
    )
    @pytest.mark.parametrize("use", [read, lambda store: store.read("metadata/long.json", 1 << 20)])
    def test_each_ends(
        self, folder: Path, proxy: HostileProxy, trouble: Trouble, message: str, use: Callable[[WebStore], object]
    ) -> None:
        (folder / "metadata" / "long.json").write_bytes(CONTENT)
        store = WebStore(proxy.url, environ={}, patience=HASTY)
        proxy.decide = lambda _: trouble
        with pytest.raises(StoreError, match=message):
            use(store)
        assert len(proxy.asked) == 2

    def test_a_stall_is_overcome(self, proxy: HostileProxy) -> None:
        proxy.once(Trouble(stall=100_000))
        assert read(WebStore(proxy.url, environ={}, patience=HASTY)) == CONTENT

    def test_what_takes_long_is_read_as_long_as_it_is_not_too_slow(self, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(rate=500_000)
        assert read(WebStore(proxy.url, environ={}, patience=HASTY)) == CONTENT

    def test_data_without_end_is_not_read(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(chunked=True)
        with pytest.raises(StoreError, match="has more than 1000 bytes"):
            store.read("blobs/x", 1000)
        assert store.traffic.received <= 1000 + (1 << 18)

    @pytest.mark.parametrize("trouble", [Trouble(stall=1000), Trouble(mute=True)])
    def test_closing_the_store_ends_what_waits(self, proxy: HostileProxy, trouble: Trouble) -> None:
        arrived = threading.Event()

        def decide(_: object) -> Trouble:
            arrived.set()
            return trouble

        proxy.decide = decide
        store = WebStore(proxy.url, environ={}, patience=Patience(stall=PATIENCE))
        raised: list[BaseException] = []

        def use() -> None:
            try:
                for _ in store.stream("blobs/x"):
                    arrived.set()
            except StoreError as error:
                raised.append(error)

        if trouble.stall:
            proxy.decide = lambda _: trouble
        thread = threading.Thread(target=use)
        thread.start()
        assert arrived.wait(PATIENCE)
        while thread.is_alive():  # it may be between the request and the answer
            store.close()
            thread.join(0.05)
        assert "was closed meanwhile" in str(raised[0])


class TestAnswers:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_what_passes_is_tried_again(self, store: WebStore, proxy: HostileProxy, status: int) -> None:
        proxy.once(Trouble(status=status), Trouble(status=status))
        assert read(store) == CONTENT
        assert store.traffic.requests == 3

    def test_what_does_not_pass_is_an_error(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(status=500)
        for use in (read, lambda store: store.size("blobs/x"), lambda store: store.read("blobs/x", 10)):
            with pytest.raises(StoreError, match="500 Internal Server Error"):
                use(store)
        assert len(proxy.asked) == 15

    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_what_is_not_there(self, store: WebStore, proxy: HostileProxy, status: int) -> None:
        proxy.decide = lambda _: Trouble(status=status)
        with pytest.raises(NotInStoreError, match=f" {status} "):
            read(store, 5, 6)
        assert store.size("blobs/x") is None
        assert len({asked.connection for asked in proxy.asked}) == 1

    @pytest.mark.parametrize("status", [204, 304, 400, 418, 599])
    def test_other_answers_are_errors(self, store: WebStore, proxy: HostileProxy, status: int) -> None:
        proxy.decide = lambda _: Trouble(status=status)
        for use in (read, lambda store: store.size("blobs/x"), lambda store: store.read("blobs/x", 10)):
            with pytest.raises(StoreError, match=f"the server answers GET with {status}"):
                use(store)

    def test_the_server_says_how_long_to_wait(
        self, store: WebStore, proxy: HostileProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []
        monkeypatch.setattr(HttpClient, "_wait", lambda _, seconds: waited.append(seconds))
        proxy.once(
            Trouble(status=503, headers={"Retry-After": "7"}),
            Trouble(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
            Trouble(status=429, headers={"Retry-After": "soon"}),
        )
        assert read(store) == CONTENT
        assert waited[0] == 7
        assert all(seconds < 1 for seconds in waited[1:])

    def test_a_server_that_asks_for_too_much_patience_gets_none(
        self, store: WebStore, proxy: HostileProxy
    ) -> None:
        proxy.once(Trouble(status=503, headers={"Retry-After": "3600"}))
        with pytest.raises(StoreError, match="503 Service Unavailable") as raised:
            read(store)
        assert raised.value.hint == "the server asks to wait for 3600 seconds"

    @pytest.mark.parametrize("place", ["bytes 0-9/502000", "bytes 11-19/502000", "", "items 1-2/3"])
    def test_a_part_that_was_not_asked_for_is_refused(
        self, store: WebStore, proxy: HostileProxy, place: str
    ) -> None:
        proxy.decide = lambda _: Trouble(headers={"Content-Range": place})
        with pytest.raises(StoreError, match="was asked for the bytes from 10 on, and sends others"):
            read(store, 10, 10)

    def test_a_server_may_send_less_at_a_time_and_not_say_how_much_there_is(
        self, store: WebStore, proxy: HostileProxy
    ) -> None:
        proxy.once(Trouble(headers={"Content-Range": "bytes 10-19/*", "Content-Length": "4"}, cut=4))
        assert read(store, 10, 10) == CONTENT[10:20]
        proxy.once(Trouble(headers={"Content-Range": "bytes 501990-501999/*"}))
        assert read(store, 501_990) == CONTENT[501_990:]

    def test_a_refused_range_is_an_error_unless_nothing_was_left(
        self, store: WebStore, proxy: HostileProxy
    ) -> None:
        assert read(store, len(CONTENT)) == b""
        proxy.once(Trouble(status=416))
        with pytest.raises(StoreError, match="416"):
            read(store, 5, 5)

    def test_compressed_answers_are_refused(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.once(Trouble(headers={"Content-Encoding": "gzip"}))
        with pytest.raises(StoreError, match="compresses what it sends") as raised:
            read(store)
        assert "switch off compression" in str(raised.value)
        assert proxy.asked[0].headers["accept-encoding"] == "identity"

    def test_the_size_is_found_out_without_head(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda asked: Trouble(status=405) if asked.method == "HEAD" else None
        assert store.size("blobs/x") == len(CONTENT)
        assert store.size("blobs/absent") is None
        assert store.traffic.received < 100
        proxy.decide = lambda asked: Trouble(status=405) if asked.method == "HEAD" else Trouble(whole=True)
        assert store.size("blobs/x") == len(CONTENT)
        proxy.decide = lambda _: Trouble(whole=True, chunked=True)
        with pytest.raises(StoreError, match="does not say how long this file is"):
            store.size("blobs/x")

    def test_only_what_changes_is_asked_for_afresh(self, store: WebStore, proxy: HostileProxy) -> None:
        store.read("metadata/timestamp.json", 10)
        read(store)
        assert [asked.headers.get("cache-control") for asked in proxy.asked] == ["no-cache", None]


class TestRedirects:
    def test_they_are_followed_and_the_login_stays_at_home(self, server: StoreServer, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(redirect=server.url)
        store = WebStore(proxy.url.replace("://", "://name:secret@"), environ={}, patience=QUICK)
        assert read(store, 5, 10) == CONTENT[5:15]
        assert proxy.asked[0].headers["authorization"].startswith("Basic ")
        assert "authorization" not in server.asked[0].headers
        assert server.asked[0].headers["range"] == "bytes=5-14"
        assert store.traffic.requests == 2

    def test_the_login_is_sent_again_to_the_same_server(self, proxy: HostileProxy) -> None:
        proxy.once(Trouble(redirect=f"{proxy.url}/blobs/../"))
        store = WebStore(proxy.url.replace("://", "://name:secret@"), environ={}, patience=QUICK)
        assert read(store) == CONTENT
        assert [("authorization" in asked.headers) for asked in proxy.asked] == [True, True]

    def test_they_end(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(redirect=proxy.url)
        with pytest.raises(StoreError, match="redirects more than 10 times"):
            read(store)
        assert len(proxy.asked) == 11

    def test_none_leads_out_of_the_web(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(redirect="file:///etc/passwd?")
        with pytest.raises(StoreError, match="redirects to an address that is not secure"):
            read(store)

    def test_none_gives_up_tls(self, folder: Path, server: StoreServer, tmp_path: Path) -> None:
        with (
            serve_folder(folder, certificate=make_certificate(tmp_path)) as secure,
        ):
            environ = {"SSL_CERT_FILE": str(tmp_path / "certificate.pem")}
            store = WebStore(secure.url, environ=environ, patience=QUICK)
            assert read(store) == CONTENT
            secure.redirect = f"{server.url}/secret?signature=secret"
            with pytest.raises(StoreError, match="redirects to an address that is not secure") as raised:
                read(store)
            assert "signature" not in str(raised.value)


class TestLoginsAndQueries:
    def test_neither_is_shown(self, proxy: HostileProxy) -> None:
        url = proxy.url.replace("://", "://name:s%40cret@") + "?signature=s%40cret#x"
        store = WebStore(url, environ={}, patience=QUICK)
        assert read(store) == CONTENT
        assert proxy.asked[0].path == "/blobs/x?signature=s%40cret"
        assert proxy.asked[0].headers["authorization"] == "Basic bmFtZTpzQGNyZXQ="
        proxy.decide = lambda _: Trouble(status=500)
        with pytest.raises(StoreError) as raised:
            read(store)
        for text in (
            str(raised.value),
            store.address,
            repr(raised.value),
            repr(vars(store)["_client"]._authorizer),
        ):
            assert "cret" not in text

    def test_a_login_that_is_missing_is_asked_for(self, store: WebStore, proxy: HostileProxy) -> None:
        proxy.decide = lambda _: Trouble(status=401)
        with pytest.raises(StoreError, match="401 Unauthorized") as raised:
            store.size("blobs/x")
        assert "netrc" in str(raised.value)
        assert not isinstance(raised.value, NotInStoreError)


class TestTls:
    def test_a_server_that_nobody_vouches_for_is_refused(self, folder: Path, tmp_path: Path) -> None:
        with serve_folder(folder, certificate=make_certificate(tmp_path)) as server:
            store = WebStore(server.url, environ={}, patience=QUICK)
            with pytest.raises(StoreError, match="no secure connection") as raised:
                read(store)
            assert "SSL_CERT_FILE" in str(raised.value)
            assert store.traffic.requests == 1

    def test_a_certificate_for_another_server_is_refused(self, folder: Path, tmp_path: Path) -> None:
        with serve_folder(folder, certificate=make_certificate(tmp_path, host="127.0.0.2")) as server:
            store = WebStore(server.url, environ={"SSL_CERT_FILE": str(tmp_path / "certificate.pem")})
            with pytest.raises(StoreError, match="no secure connection"):
                read(store)

    def test_through_a_proxy(self, folder: Path, tmp_path: Path) -> None:
        certificate, _ = files = make_certificate(tmp_path)
        with serve_folder(folder, certificate=files) as server, connect_proxy("name:pass word") as proxy:
            environ = {"SSL_CERT_FILE": str(certificate), "HTTPS_PROXY": f"http://name:pass%20word@{proxy.host}"}
            assert read(WebStore(server.url, environ=environ, patience=QUICK)) == CONTENT
            assert proxy.asked == [server.url.removeprefix("https://")]
            environ["HTTPS_PROXY"] = f"http://name:wrong@{proxy.host}"
            with pytest.raises(StoreError, match="the proxy does not help") as raised:
                read(WebStore(server.url, environ=environ, patience=QUICK))
            assert "wrong" not in str(raised.value)
            assert "NO_PROXY" in str(raised.value)
