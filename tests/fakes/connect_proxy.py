"""A proxy that makes tunnels (CONNECT), for those who log in."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from fakes.store_server import QuietServer


@dataclass
class ConnectProxy:
    """A running proxy.

    Attributes:
        host: Its address and port.
        asked: Which servers were asked for.
    """

    host: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def connect_proxy(login: str) -> Iterator[ConnectProxy]:
    """Make tunnels on 127.0.0.1 for those who say ``NAME:PASSWORD``."""
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            proxy.asked.append(self.path)
            self.close_connection = True
            if self.headers.get("Proxy-Authorization") != wanted:
                self.send_error(407)
                return
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_copy, args=(server, self.connection), daemon=True)
                back.start()
                _copy(self.connection, server)
                back.join()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            pass

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        proxy = ConnectProxy(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
