"""A web server for one folder, as small as it can be: ranges, tags, connections that are kept."""

import hashlib
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Asked:
    """A request that arrived.

    Attributes:
        method: Such as ``GET``.
        path: With its query, as it was sent.
        headers: Names in lower case -> values.
        connection: Which connection it came over; equal numbers are one connection.
        body: What was sent with it.
    """

    method: str
    path: str
    headers: dict[str, str]
    connection: int
    body: bytes = b""


@dataclass
class StoreServer:
    """A running server.

    Attributes:
        url: Its address.
        asked: The requests, in the order in which they came.
        redirect: Where every request is redirected to, if this is not empty.
    """

    url: str
    asked: list[Asked] = field(default_factory=list)
    redirect: str = ""


class QuietServer(ThreadingHTTPServer):
    """A server that does not mind clients who hang up, and ends although some have not."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the tests see what clients make of it."""


class _Server(QuietServer):
    running: StoreServer
    folder: Path


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.running.asked.append(Asked(self.command, self.path, headers, self.client_address[1]))
        path = self.server.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if self.server.running.redirect:
            self._answer(307, b"", Location=self.server.running.redirect)
            return
        if not path.is_file():
            self._answer(404, b"nothing here")
            return
        content = path.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        wanted = _RANGE.fullmatch(headers.get("range", ""))
        if not wanted or headers.get("if-range", tag) != tag:
            self._answer(200, content, ETag=tag)
            return
        start, end = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        if start >= len(content):
            self._answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
            return
        place = f"bytes {start}-{end}/{len(content)}"
        self._answer(206, content[start : end + 1], **{"Content-Range": place, "ETag": tag})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - as the base class looks for it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        pass


@contextmanager
def serve_folder(folder: Path, *, certificate: tuple[Path, Path] | None = None) -> Iterator[StoreServer]:
    """Serve the files of a folder on 127.0.0.1; with a certificate and its key, through TLS."""

    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.folder = folder
        server.running = running = StoreServer(
            f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        )
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
