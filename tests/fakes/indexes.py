"""Package indexes that serve badly."""

import socketserver
import threading
from types import TracebackType
from typing import Self


class StallingIndex:
    """A server on this machine that takes requests and never answers.

    Attributes:
        url: Its address, with a name that an index would have.
        requested: Set when the first request has come in.
    """

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._over = threading.Event()
        index = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if self.request.recv(1 << 16):
                    index.requested.set()
                    index._over.wait()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/simple"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
