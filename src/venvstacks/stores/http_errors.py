"""What goes wrong between a client and a server, in words; no credential is in them."""

import email.utils
import ssl
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import IncompleteRead
from urllib.parse import urlsplit, urlunsplit

from urllib3 import exceptions

from venvstacks.errors import StoreError
from venvstacks.humanize import without_credentials

TRY_AGAIN = "try again; if it stays so, look at the network, or ask whoever runs the server"


class BrokenConnectionError(StoreError):
    """A connection that could not be made, broke, or stalled: another attempt may do better."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or TRY_AGAIN)


def shown(url: str) -> str:
    """Return an address for people: without a user's name, a password, or a query, which may be a signature."""
    try:
        parts = urlsplit(url)
    except ValueError:  # it is none
        return without_credentials(url.partition("?")[0])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def status_text(status: int) -> str:
    """Return what a status means: ``404 Not Found``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def refused(method: str, url: str, status: int, headers: Mapping[str, str]) -> StoreError:
    """Return the error of a request that was answered, but not with what it asked for."""
    hint = TRY_AGAIN
    if status == HTTPStatus.UNAUTHORIZED:
        hint = (
            "it asks for a login: put one into your netrc file, or into the address (https://USER:PASSWORD@HOST)"
        )
    elif status == HTTPStatus.FORBIDDEN:
        hint = "your login may not do that, or there is no such file"
    elif status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        hint = "check the address of the store; if it is right, it lacks a file, or is just being written"
    elif status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        hint = "the proxy asks for a login: put one into HTTP_PROXY (http://USER:PASSWORD@HOST:PORT)"
    elif (seconds := retry_after(headers)) is not None:
        hint = f"the server asks to wait for {seconds:.0f} seconds"
    return StoreError(f"{shown(url)}: the server answers {method} with {status_text(status)}.", hint=hint)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds a server asks to wait, if it does."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def connection_error(url: str, error: Exception, stall: float) -> StoreError:
    """Return what an exception of urllib3 means."""
    place, cause = shown(url), _innermost(error)
    if isinstance(cause, exceptions.SSLError | ssl.SSLError):
        return StoreError(
            f"{place}: no secure connection: {_words(cause)}",
            hint="where certificates of your own are used, name their file in SSL_CERT_FILE",
        )
    if isinstance(error, ValueError):
        return StoreError(f"{place} is no address that can be used.")
    hint = None
    if isinstance(error, exceptions.ProxyError):
        text, hint = f"the proxy does not help: {_words(cause)}", "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    elif isinstance(error, exceptions.NameResolutionError):
        text, hint = f"no machine is known as {urlsplit(url).hostname}.", "check the address, and the network"
    elif isinstance(error, exceptions.NewConnectionError):
        text, hint = f"no connection: {_words(cause)}", "check the address, and the network"
    elif isinstance(error, exceptions.TimeoutError | TimeoutError):
        text = f"nothing was heard for {stall:g} seconds."
    else:
        text = f"the connection broke: {_words(cause)}"
    return BrokenConnectionError(f"{place}: {text}", hint=hint)


def _innermost(error: BaseException) -> BaseException:
    """Return what the system said, of which the others are wrappings."""
    while True:
        inner = (
            getattr(error, "original_error", None)
            or next((part for part in reversed(error.args) if isinstance(part, BaseException)), None)
            or (error.__cause__ if not isinstance(error, OSError) else None)
        )
        if inner is None:
            return error
        error = inner


def _words(error: BaseException) -> str:
    if isinstance(error, IncompleteRead):
        return "it ended too early."
    reason = getattr(error, "strerror", None)
    return str(reason or error or type(error).__name__).rstrip(".") + "."
