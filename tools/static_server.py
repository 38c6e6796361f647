"""A folder over HTTP on this machine, for as long as a ``with`` block lasts."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

PIECE = 1 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Served:
    """A server, and what it has been asked for.

    Attributes:
        address: ``http://127.0.0.1:PORT``.
        requests: How many it got.
        sent: Bytes of contents that it sent.
    """

    address: str = ""
    requests: int = 0
    sent: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, *, requests: int = 0, sent: int = 0) -> None:
        """Count requests, and bytes; any thread may."""
        with self._guard:
            self.requests += requests
            self.sent += sent

    def taken(self) -> tuple[int, int]:
        """Return requests and bytes since the last time, and begin again."""
        with self._guard:
            found = self.requests, self.sent
            self.requests = self.sent = 0
        return found


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve the files of a folder on a free port of 127.0.0.1."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept
        wbufsize = PIECE
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def _answer(self, *, with_content: bool) -> None:
            served.count(requests=1)
            path = folder.joinpath(unquote(urlsplit(self.path).path).lstrip("/")).resolve()
            if not path.is_relative_to(folder.resolve()) or not path.is_file():
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            size = path.stat().st_size
            start, end = _wanted(self.headers.get("Range", ""), size)
            partial = (start, end) != (0, size)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
            if partial:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            if with_content:
                self._send(path, start, end)

        def _send(self, path: Path, start: int, end: int) -> None:
            with path.open("rb") as file:
                file.seek(start)
                while start < end and (data := file.read(min(PIECE, end - start))):
                    self.wfile.write(data)
                    served.count(sent=len(data))
                    start += len(data)

        def log_message(self, *_details: object) -> None:
            """Keep requests out of the output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.address = f"http://127.0.0.1:{server.server_port}"
        worker = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        worker.start()
        try:
            yield served
        finally:
            server.shutdown()
            worker.join()


def _wanted(header: str, size: int) -> tuple[int, int]:
    """Return where the wanted part begins and ends; all of a file without a range, or with one of another form."""
    found = _RANGE.fullmatch(header)
    if found is None or int(found[1]) >= size:
        return 0, size
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
