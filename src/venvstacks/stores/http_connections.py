"""Connections to servers and proxies, which are kept for further requests."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
        """Close those that wait for a request."""
        with self._guard:
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
        manager.pool_classes_by_scheme = _limited_pools(self._stall * _HEADERS)
        return manager


def _limited_pools(seconds: float) -> dict[str, Any]:
    """Return classes of urllib3 whose connections give up if the head of an answer does not end.

    Each byte that arrives starts the clock of a socket again: a server could send one at a time for years.
    """

    class Plain(connection.HTTPConnection):
        def getresponse(self) -> Any:  # noqa: ANN401 - as the base class
            with _shut_down_after(seconds, self.sock):
                return super().getresponse()

    class Secure(connection.HTTPSConnection):
        def getresponse(self) -> Any:  # noqa: ANN401
            with _shut_down_after(seconds, self.sock):
                return super().getresponse()

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


@contextmanager
def _shut_down_after(seconds: float, sock: socket.socket | None) -> Iterator[None]:
    def shut_down() -> None:
        if sock is not None:
            with suppress(OSError):  # it is closed
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
