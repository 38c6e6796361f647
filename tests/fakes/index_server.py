"""A package index on this machine: PEP 503, open or with a password."""

import hashlib
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename


@dataclass
class Index:
    """A running index.

    Attributes:
        url: Its address, of the simple API.
        asked: Paths that were asked for, in order.
    """

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def serve_index(wheels: Path, *, user: str = "", password: str = "") -> Iterator[Index]:
    """Serve the packages of a folder on 127.0.0.1, to those who know user and password if these are given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(unquote(self.path))
            if user and not self._knows():
                self._answer(401, b"", ("WWW-Authenticate", "Basic realm=index"))
            elif self.path.startswith("/simple/"):
                page = _page(wheels, self.path.split("/")[2])
                self._answer(200 if page else 404, page.encode(), ("Content-Type", "text/html"))
            else:
                file = wheels / unquote(self.path.rpartition("/")[2])
                self._answer(*((200, file.read_bytes()) if file.is_file() else (404, b"")))

        def _knows(self) -> bool:
            _, _, token = self.headers.get("Authorization", "").partition(" ")
            return b64decode(token).decode() == f"{user}:{password}"

        def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as the base class looks for it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index = Index(f"http://127.0.0.1:{server.server_port}/simple")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()


def _page(wheels: Path, package: str) -> str:
    links = [
        f'<a href="/files/{quote(wheel.name)}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}">'
        f"{wheel.name}</a>"
        for wheel in sorted((*wheels.glob("*.whl"), *wheels.glob("*.tar.gz")))
        if _name(wheel.name) == canonicalize_name(package)
    ]
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>" if links else ""


def _name(file: str) -> str:
    return (parse_wheel_filename if file.endswith(".whl") else parse_sdist_filename)(file)[0]
