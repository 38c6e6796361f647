"""A small JSON service on this machine, for as long as a ``with`` block lasts."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[dict[str, list[str]]], Any]


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1.

    Args:
        answers: Path -> function from the query's parameters to what is sent as JSON.

    Yields:
        The address to put paths behind.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            answer = answers.get(url.path)
            status, value = (404, None) if answer is None else (200, answer(parse_qs(url.query)))
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_details: object) -> None:
            """Keep requests out of the application's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        worker = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        worker.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            worker.join()
