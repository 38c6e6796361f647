"""HTTP for stores: proxies, certificates, logins, redirects, and further attempts where that may help.

Nothing is believed because of where it comes from: whoever reads verifies hashes. What is guaranteed here: a
request ends, whatever the server does, and a login goes nowhere but to the server that it is for.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import urllib3

from venvstacks.errors import StoreError
from venvstacks.stores.http_attempts import Attempts, Patience
from venvstacks.stores.http_connections import Connections
from venvstacks.stores.http_errors import BrokenConnectionError, connection_error, refused, retry_after, shown
from venvstacks.stores.http_logins import Authorizer
from venvstacks.stores.http_reply import Reply
from venvstacks.stores.http_settings import is_same_server
from venvstacks.stores.interface import Traffic

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 10
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses after which the same request may be answered
_ANSWER = 4 << 20
_CONNECT = 15.0  # seconds for making a connection
_MOST_CHALLENGES = 2
# what another server than the one that was asked may be told
_FOR_ALL = {"accept", "cache-control", "content-length", "content-type", "if-range", "range"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, read to its end.

    Attributes:
        status: The status code.
        headers: Names in any case -> values.
        data: The content.
        url: Where it came from, after redirects.
    """

    status: int
    headers: Mapping[str, str]
    data: bytes
    url: str


class HttpClient:
    """Sends requests; any thread may use it.

    Args:
        home: Address of the server that logins are for.
        traffic: Where requests are counted, and bytes of contents.
        authorizer: Knows logins for it.
        environ: Environment variables with proxies and certificates.
        patience: How long to go on.
    """

    def __init__(
        self,
        home: str,
        traffic: Traffic,
        *,
        authorizer: Authorizer | None = None,
        environ: Mapping[str, str] = os.environ,
        patience: Patience | None = None,
    ) -> None:
        self.traffic = traffic
        self.patience = patience or Patience()
        self._home = home
        self._authorizer = authorizer
        self._connections = Connections(environ, self.patience.stall)
        self._open: set[Reply] = set()
        self._guard = threading.Lock()
        self._closed = threading.Event()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Path | None = None,
        largest: int = _ANSWER,
        again: bool | None = None,
    ) -> Answer:
        """Send a request and read the whole answer, whatever its status.

        Args:
            method: Such as ``GET``.
            url: Absolute address.
            headers: Further headers. They are not sent to other servers.
            body: What to send: bytes, or the content of a file.
            largest: The most bytes that the answer may have.
            again: Whether to try again after failures; by default unless it is ``POST`` or ``PATCH``.

        Raises:
            StoreError: There is no answer, or it is too large; or the server fails, and goes on failing.
        """
        attempts = self.attempts()
        repeatable = method not in ("POST", "PATCH") if again is None else again
        while True:
            try:
                with self.open(
                    method, url, headers=headers, body=body, attempts=attempts, again=repeatable
                ) as reply:
                    return Answer(reply.status, reply.headers, reply.read(largest), reply.url)
            except BrokenConnectionError as error:
                if not repeatable:
                    raise
                attempts.failed(error)

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Path | None = None,
        attempts: Attempts | None = None,
        again: bool = True,
    ) -> Iterator[Reply]:
        """Send a request, as :meth:`request` does, and yield the answer while its content is still to be read.

        Raises:
            BrokenConnectionError: The connection breaks while the content is read.
            StoreError: There is no answer, or the server fails, and goes on failing.
        """
        reply = self._answered(method, url, dict(headers or {}), body, attempts or self.attempts(), again=again)
        try:
            with self._guard:
                self._open.add(reply)
            self._check_open()
            yield reply
        finally:
            with self._guard:
                self._open.discard(reply)
            reply.close()

    def attempts(self) -> Attempts:
        """Return a new count of attempts."""
        return Attempts(self.patience, self._wait)

    def close(self) -> None:
        """Close connections; whoever waits for one, in any thread, is told so."""
        self._closed.set()
        with self._guard:
            for reply in self._open:
                reply.interrupt()
        self._connections.close()

    # ---- one request after the other

    def _answered(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | Path | None,
        attempts: Attempts,
        *,
        again: bool,
    ) -> Reply:
        """Send requests until one is answered with something else than a redirect or a passing failure."""
        redirects, challenges = 0, 0
        while True:
            try:
                reply = self._send(method, url, headers, body)
            except BrokenConnectionError as error:
                if not again:
                    raise
                attempts.failed(error)
                continue
            if reply.status in _REDIRECTS and "Location" in reply.headers:
                redirects += 1
                target, method, body = self._redirected(reply, method, url, body, redirects)
                if not is_same_server(url, target):
                    headers = {name: value for name, value in headers.items() if name.lower() in _FOR_ALL}
                url = target
            elif (
                reply.status == HTTPStatus.UNAUTHORIZED
                and challenges < _MOST_CHALLENGES
                and self._learns(reply, method, url)
            ):
                challenges += 1
            elif reply.status in _PASSING and again:
                reply.close()
                attempts.failed(refused(method, url, reply.status, reply.headers), retry_after(reply.headers))
            else:
                return reply

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Path | None) -> Reply:
        self._check_open()
        everything = {"Accept-Encoding": "identity", "User-Agent": "venvstacks", **headers}
        stall = self.patience.stall
        self.traffic.count(requests=1)
        try:
            if self._authorizer and self._is_home(url) and (login := self._authorizer.header(method, url)):
                everything["Authorization"] = login
            with _opened(body, everything) as content:
                response = self._connections.manager(url).urlopen(
                    method,
                    url,
                    body=content,
                    headers=everything,
                    timeout=urllib3.Timeout(connect=min(stall, _CONNECT), read=stall),
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise connection_error(url, error, stall) from error
        return Reply(response, method, url, self.traffic, stall=stall, slowest=self.patience.slowest)

    def _redirected(
        self, reply: Reply, method: str, url: str, body: bytes | Path | None, count: int
    ) -> tuple[str, str, bytes | Path | None]:
        """Return where a redirect leads to, and with what.

        Raises:
            StoreError: It may not be followed.
        """
        reply.close()
        try:
            target = urljoin(url, reply.headers["Location"])
            scheme = urlsplit(target).scheme
        except ValueError:  # it is no address
            target = scheme = ""
        problem = ""
        if count > _MOST_REDIRECTS:
            problem = f"redirects more than {_MOST_REDIRECTS} times"
        elif scheme not in ("http", "https") or (scheme == "http" and urlsplit(url).scheme == "https"):
            problem = "redirects to an address that is not secure"
        elif reply.status in (301, 302) and method not in ("GET", "HEAD"):
            problem = f"redirects {method} to another address"
        if problem:
            raise StoreError(f"{shown(url)}: the server {problem} ({shown(target)}).", hint="check the address")
        if reply.status == HTTPStatus.SEE_OTHER and method != "HEAD":
            return target, "GET", None
        return target, method, body

    def _learns(self, reply: Reply, method: str, url: str) -> bool:
        if self._authorizer is None or not self._is_home(url):
            return False
        learned = True
        try:
            learned = self._authorizer.challenged(method, url, reply.headers)
        finally:
            if learned:
                reply.close()
        return learned

    def _is_home(self, url: str) -> bool:
        return is_same_server(self._home, url)

    def _wait(self, seconds: float) -> None:
        self._closed.wait(seconds)
        self._check_open()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StoreError(f"{shown(self._home)}: the store was closed meanwhile.")


@contextmanager
def _opened(body: bytes | Path | None, headers: dict[str, str]) -> Iterator[bytes | BinaryIO | None]:
    """Yield what is sent, and say in the headers how long it is."""
    if not isinstance(body, Path):
        yield body
        return
    with body.open("rb") as file:
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
        yield file
