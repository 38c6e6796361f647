"""Connections to servers and proxies, which are kept for further requests."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3 import PoolManager, connection, connectionpool

from venvstacks.stores.http_settings import proxy_for, tls_context

_KEPT = 32  # connections for each server
_BLOCK = 1 << 18  # bytes of a file that are sent at a time
_HEADERS = 4  # times the longest silence is what the head of an answer may take as a whole


class Connections:
    """The connections of a client; any thread may use them.

    Args:
        environ: Environment variables with proxies and certificates.
        stall: Seconds without a byte after which a connection is given up.
    """

    def __init__(self, environ: Mapping[str, str], stall: float) -> None:
        self._environ = environ
        self._stall = stall
        self._managers: dict[tuple[str, str | None], PoolManager] = {}
        self._waiting: set[socket.socket] = set()
        self._guard = threading.Lock()

    def manager(self, url: str) -> PoolManager:
        """Return what connects to the server of an address, through the proxy that is for it.

        Raises:
            StoreError: The proxy or the certificates of this machine cannot be used.
        """
        parts = urlsplit(url)
        key = parts.scheme, proxy_for(parts, self._environ)
        with self._guard:
            if key not in self._managers:
                self._managers[key] = self._made(*key)
            return self._managers[key]

    def close(self) -> None:
        """Close those that wait, for a request or for an answer."""
        with self._guard:
            for sock in self._waiting:
                _shut_down(sock)
            for manager in self._managers.values():
                manager.clear()

    def _made(self, scheme: str, proxy: str | None) -> PoolManager:
        settings: dict[str, Any] = {"maxsize": _KEPT, "blocksize": _BLOCK}
        if scheme == "https":
            settings["ssl_context"] = tls_context(self._environ)
        if proxy is None:
            manager = urllib3.PoolManager(**settings)
        else:
            parts = urlsplit(proxy)
            login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login) if parts.username else None
            address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            secure = tls_context(self._environ) if parts.scheme == "https" else None
            manager = urllib3.ProxyManager(address, proxy_headers=headers, proxy_ssl_context=secure, **settings)
        manager.pool_classes_by_scheme = _watched_pools(self._watched)
        return manager

    @contextmanager
    def _watched(self, sock: socket.socket) -> Iterator[None]:
        """Wait for the head of an answer, for a limited time.

        Each byte that arrives starts the clock of a socket again: a server could send one at a time for years.
        """
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _shut_down(sock)

        timer = threading.Timer(self._stall * _HEADERS, give_up)
        timer.daemon = True
        with self._guard:
            self._waiting.add(sock)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._guard:
                self._waiting.discard(sock)
        if late.is_set():  # what arrived until then would be taken for all of it
            raise TimeoutError


def _watched_pools(watched: Callable[[Any], AbstractContextManager[None]]) -> dict[str, Any]:
    """Return classes of urllib3 whose connections are watched while they wait for the head of an answer."""

    class Plain(connection.HTTPConnection):
        def getresponse(self) -> Any:  # noqa: ANN401 - as the base class
            with watched(self.sock):
                return super().getresponse()

    class Secure(connection.HTTPSConnection):
        def getresponse(self) -> Any:  # noqa: ANN401
            with watched(self.sock):
                return super().getresponse()

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):  # it is closed
        sock.shutdown(socket.SHUT_RDWR)
