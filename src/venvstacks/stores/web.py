"""What any web server or CDN serves, as a store that can be read."""

import os
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from venvstacks.errors import UsageError
from venvstacks.files import sha256
from venvstacks.humanize import quoted
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.http_client import HttpClient
from venvstacks.stores.http_errors import shown
from venvstacks.stores.http_logins import BasicAuthorizer, login_in, login_of
from venvstacks.stores.http_reading import content_size, read_range, read_whole
from venvstacks.stores.interface import METADATA, Stored, Traffic
from venvstacks.stores.names import checked_name

# What stands between must not answer from memory for what changes; blobs are the same for ever.
_FRESH = {"Cache-Control": "no-cache"}


class WebStore:
    """A folder on a web server.

    A query at the end of the address, as some servers use it for a signature, is sent with every request.

    Args:
        address: Begins with ``https://`` or ``http://``; a login in it is not kept in :attr:`address`.
        environ: Environment variables with proxies, certificates, and the place of the netrc file.
        patience: How long to wait for a server.

    Raises:
        UsageError: The address has no host.
        StoreError: The netrc file is damaged.
    """

    def __init__(
        self, address: str, *, environ: Mapping[str, str] = os.environ, patience: Patience | None = None
    ) -> None:
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host:
            raise UsageError(f"{quoted(shown(address))} names no server.", hint="write https://HOST/FOLDER")
        self.address = shown(address)
        self.traffic = Traffic()
        self._base = parts._replace(
            netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/"), fragment=""
        )
        login = login_in(parts) or login_of(host, environ)
        self._client = HttpClient(
            urlunsplit(self._base),
            self.traffic,
            authorizer=BasicAuthorizer(login) if login else None,
            environ=environ,
            patience=patience,
        )

    def read(self, name: str, largest: int) -> Stored:
        """Return the whole content of a small file, as :class:`Store` says."""
        answer = read_whole(self._client, self._url(name), largest, headers=_headers(name))
        return Stored(answer.data, answer.headers.get("ETag") or sha256(answer.data))

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Return part of a file in pieces, as :class:`Store` says."""
        return read_range(self._client, self._url(name), start, size, headers=_headers(name))

    def size(self, name: str) -> int | None:
        """Return the bytes that a file has, as :class:`Store` says."""
        return content_size(self._client, self._url(name), headers=_headers(name))

    def close(self) -> None:
        """Close connections; whoever waits for one, in any thread, is told so."""
        self._client.close()

    def _url(self, name: str) -> str:
        return urlunsplit(self._base._replace(path=f"{self._base.path}/{quote(checked_name(name))}"))


def open_web(address: str, *, environ: Mapping[str, str] = os.environ) -> WebStore:
    """Open a folder on a web server."""
    return WebStore(address, environ=environ)


def _headers(name: str) -> Mapping[str, str]:
    return _FRESH if name.startswith(f"{METADATA}/") else {}
