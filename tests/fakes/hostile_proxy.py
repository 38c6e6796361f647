"""A proxy that makes trouble before a web server: it breaks off, stalls, drips, lies, redirects, or is slow.

::

    with hostile_proxy(server.url) as proxy:
        proxy.once(Trouble(cut=1000), Trouble(status=503))     # to the next two requests
        proxy.decide = lambda asked: Trouble(rate=10_000) if "blobs" in asked.path else None   # to all others
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler
from urllib.parse import SplitResult, urlsplit

from fakes.store_server import Asked, QuietServer

_PIECE = 1 << 14
_ITS_OWN = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Trouble:
    """What becomes of one answer; everything may be combined.

    Attributes:
        status: Answer with this, and nothing else, without asking the server; 0 asks it.
        headers: Headers of the answer, which replace the server's; those with an empty value are left out.
        cut: Bytes of the content after which the connection is closed.
        stall: Bytes of the content after which nothing more comes, while the connection stays open.
        flip: Place of a byte of the content that is changed.
        whole: Whether the server is asked for the whole file where a part was asked for.
        redirect: Where to redirect to: the beginning of an address, to which the path is added.
        silent: Whether the connection is closed without any answer.
        mute: Whether nothing is answered, while the connection stays open.
        rate: Bytes a second.
        drip: Seconds before each single byte of the content; 0 sends it as fast as can be.
        drip_head: Seconds before each single byte of the lines before the content.
        latency: Seconds before the answer begins.
        unsized: Whether the answer says nothing of its length.
        chunked: Whether the content comes in pieces that say their length.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: int | None = None
    flip: int | None = None
    whole: bool = False
    redirect: str = ""
    silent: bool = False
    mute: bool = False
    rate: float = 0
    drip: float = 0
    drip_head: float = 0
    latency: float = 0
    unsized: bool = False
    chunked: bool = False


class HostileProxy:
    """A running proxy.

    Attributes:
        url: Its address, where the server's files are.
        asked: The requests, in the order in which they came.
        sent: Bytes of contents that were sent to clients.
        decide: What is to become of a request for which nothing else was planned; None for no trouble.
        rate: Bytes a second that all connections share, as on one line; 0 for no limit.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.sent = 0
        self.decide: Callable[[Asked], Trouble | None] = lambda _: None
        self.rate: float = 0
        self.over = threading.Event()
        self._planned: deque[Trouble] = deque()
        self._guard = threading.Lock()
        self._free_at = 0.0

    def once(self, *troubles: Trouble) -> None:
        """Plan what is to become of the next requests, one each."""
        self._planned.extend(troubles)

    def trouble(self, asked: Asked) -> Trouble:
        """Note a request, and return what is to become of it."""
        with self._guard:
            self.asked.append(asked)
            planned = self._planned.popleft() if self._planned else None
        return planned or self.decide(asked) or Trouble()

    def pass_through(self, count: int) -> None:
        """Count bytes, and wait until they would have gone through the line that all connections share."""
        with self._guard:
            self.sent += count
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + (count / self.rate if self.rate else 0)
            pause = self._free_at - now
        if pause > 0:
            self.over.wait(pause)


class _OverError(Exception):
    """The connection to the client is to be closed."""


class _Sender:
    """Sends the content of one answer as its trouble says."""

    def __init__(self, proxy: HostileProxy, trouble: Trouble, write: Callable[[bytes], object]) -> None:
        self._proxy = proxy
        self._trouble = trouble
        self._write = write
        self._done = 0

    def send(self, piece: bytes) -> None:
        trouble, begin = self._trouble, self._done
        if trouble.flip is not None and begin <= trouble.flip < begin + len(piece):
            changed = bytearray(piece)
            changed[trouble.flip - begin] ^= 1
            piece = bytes(changed)
        stops = [stop for stop in (trouble.cut, trouble.stall) if stop is not None]
        piece = piece[: max(0, min(stops) - begin)] if stops else piece
        self._proxy.pass_through(len(piece))
        if trouble.rate:
            self._proxy.over.wait(len(piece) / trouble.rate)
        if piece:
            self._write(b"%x\r\n%s\r\n" % (len(piece), piece) if trouble.chunked else piece)
        self._done += len(piece)
        if trouble.stall is not None and self._done >= trouble.stall:
            self._proxy.over.wait()
        if stops and self._done >= min(stops):
            raise _OverError


class _Server(QuietServer):
    proxy: HostileProxy
    upstream: SplitResult


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(self.command, self.path, headers, self.client_address[1], body)
        trouble = self.server.proxy.trouble(asked)
        try:
            self._answer(asked, body, trouble)
        except (_OverError, OSError):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - as the base class has it

    def _answer(self, asked: Asked, body: bytes, trouble: Trouble) -> None:
        if trouble.latency:
            self.server.proxy.over.wait(trouble.latency)
        if trouble.mute:
            self.server.proxy.over.wait()
        if trouble.silent or trouble.mute:
            raise _OverError
        if trouble.redirect:
            self._begin(302, {"location": trouble.redirect + asked.path, "content-length": "0"}, trouble)
        elif trouble.status:
            self._begin(trouble.status, {"content-length": "0"}, trouble)
        else:
            self._forward(asked, body, trouble)

    def _forward(self, asked: Asked, body: bytes, trouble: Trouble) -> None:
        sent = {name: value for name, value in asked.headers.items() if name not in _ITS_OWN}
        if trouble.whole:
            sent.pop("range", None)
        path = self.server.upstream.path.rstrip("/") + asked.path
        connection = HTTPConnection(self.server.upstream.hostname or "", self.server.upstream.port)
        try:
            connection.request(asked.method, path, body or None, sent)
            answer = connection.getresponse()
            self._pass_on(answer, trouble)
        finally:
            connection.close()

    def _pass_on(self, answer: HTTPResponse, trouble: Trouble) -> None:
        headers = {name.lower(): value for name, value in answer.getheaders() if name.lower() != "connection"}
        if trouble.unsized or "content-length" not in headers:
            headers.pop("content-length", None)
            headers.pop("transfer-encoding", None)
            self.close_connection = True
        if trouble.chunked:
            headers.pop("content-length", None)
            headers["transfer-encoding"] = "chunked"
        self._begin(answer.status, headers, trouble)
        sender = _Sender(self.server.proxy, trouble, self._write(trouble.drip))
        if trouble.cut == 0 or trouble.stall == 0:
            sender.send(b"")
        while piece := answer.read(_PIECE):
            sender.send(piece)
        if answer.length:  # less came than was announced, as of what docker-registry says of a 416
            raise _OverError
        if trouble.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _begin(self, status: int, headers: dict[str, str], trouble: Trouble) -> None:
        lines = {**headers, **{name.lower(): value for name, value in trouble.headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        end = "connection: close\r\n\r\n" if self.close_connection else "\r\n"
        self._write(trouble.drip_head)(f"HTTP/1.1 {status} Trouble\r\n{head}{end}".encode("latin-1"))

    def _write(self, pause: float) -> Callable[[bytes], object]:
        def drip(data: bytes) -> None:
            for place in range(len(data)):
                if self.server.proxy.over.wait(pause):
                    raise _OverError
                self.wfile.write(data[place : place + 1])

        return drip if pause else self.wfile.write

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        pass


@contextmanager
def hostile_proxy(upstream: str) -> Iterator[HostileProxy]:
    """Stand on 127.0.0.1 before the server of an address."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.upstream = urlsplit(upstream)
        server.proxy = proxy = HostileProxy(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.over.set()
            server.shutdown()
            thread.join()
