"""Logging in at a registry: with a name and a password, or with tokens that another server gives for these."""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

import msgspec

from venvstacks.documents import DocumentError, parse_json
from venvstacks.errors import StoreError
from venvstacks.stores.docker_config import RegistryLogin, find_login
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.http_client import Answer, HttpClient
from venvstacks.stores.http_errors import shown
from venvstacks.stores.interface import Traffic

_SCHEME = re.compile(r"\s*(\w+)\s")
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
_SHORTEST = 60.0  # seconds that a token is valid if its server does not say
_EARLY = 10.0  # seconds before its end from which a token is not used any more
_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry asks for in ``WWW-Authenticate``.

    Attributes:
        scheme: ``basic`` or ``bearer``, in lower case.
        realm: Where tokens come from.
        service: What they are for.
        scope: What they allow.
    """

    scheme: str
    realm: str
    service: str
    scope: str


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float = _SHORTEST


@dataclass(frozen=True, slots=True)
class _Held:
    header: str
    until: float


class RegistryAuthorizer:
    """Knows how to log in at one registry; any thread may use it.

    Args:
        host: What the registry is called in credential files.
        home: Address of the registry.
        environ: Where credential files are, proxies and certificates.
        patience: How long to wait for the server with tokens.
    """

    def __init__(
        self, host: str, home: str, *, environ: Mapping[str, str], patience: Patience | None = None
    ) -> None:
        self._host = host
        self._is_plain = urlsplit(home).scheme == "http"
        self._environ = environ
        self._patience = patience
        self._guard = threading.Lock()
        self._login: tuple[RegistryLogin | None] | None = None
        self._basic = ""
        self._tokens: dict[str, _Held] = {}

    def header(self, method: str, url: str) -> str | None:  # noqa: ARG002 - one repository is asked only
        """Return the value of ``Authorization``, as far as the registry has asked for it."""
        with self._guard:
            held = self._tokens.get(_kind(method))
            if held and held.until > time.monotonic():
                return held.header
            return self._basic or None

    def challenged(self, method: str, url: str, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Do what a registry asks for that answers 401, and return whether to try again."""
        challenge = parse_challenge(headers.get("WWW-Authenticate", ""))
        with self._guard:
            if challenge is None:
                return False
            if self._login is None:
                self._login = (find_login(self._host, self._environ),)
            login = self._login[0]
            if challenge.scheme == "basic":
                return self._use_basic(login)
            self._tokens[_kind(method)] = self._get_token(challenge, login)
            return True

    def close(self) -> None:
        """Forget tokens."""
        with self._guard:
            self._tokens.clear()

    def _use_basic(self, login: RegistryLogin | None) -> bool:
        if login is None or not login.user or self._basic:
            return False
        self._basic = login.header
        return True

    def _get_token(self, challenge: Challenge, login: RegistryLogin | None) -> _Held:
        """Get a token from the server that a registry names."""
        self._check_realm(challenge)
        began = time.monotonic()
        asked = {"service": challenge.service, "scope": challenge.scope}
        client = HttpClient(challenge.realm, Traffic(), environ=self._environ, patience=self._patience)
        try:
            answer = _asked(client, challenge.realm, {key: value for key, value in asked.items() if value}, login)
        finally:
            client.close()
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise StoreError(
                f"{shown(challenge.realm)} does not accept the login for {self._host}"
                f" (it answered {answer.status}).",
                hint=f"run docker login {self._host}",
            )
        try:
            token = parse_json(answer.data, _Token)
        except DocumentError:  # whose text may contain the token
            token = _Token()
        text = token.token or token.access_token
        if answer.status != HTTPStatus.OK or not text.isascii() or not text.isprintable() or not text:
            raise StoreError(f"{shown(challenge.realm)} gives no token for {self._host} ({answer.status}).")
        return _Held(f"Bearer {text}", began + max(token.expires_in, _SHORTEST) - _EARLY)

    def _check_realm(self, challenge: Challenge) -> None:
        """Refuse to send a password where it can be read, unless the registry itself is used without TLS."""
        parts = urlsplit(challenge.realm)
        if parts.scheme == "https" or (parts.scheme == "http" and self._is_plain):
            return
        raise StoreError(f"{self._host} sends logins to {shown(challenge.realm)}, which is not secure.")


def parse_challenge(text: str) -> Challenge | None:
    """Read ``WWW-Authenticate``; None if it asks for something that is not known."""
    found = _SCHEME.match(f"{text} ")
    scheme = found[1].lower() if found else ""
    values = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}
    if scheme not in ("basic", "bearer") or (scheme == "bearer" and not values.get("realm")):
        return None
    return Challenge(scheme, values.get("realm", ""), values.get("service", ""), values.get("scope", ""))


def _asked(client: HttpClient, realm: str, asked: Mapping[str, str], login: RegistryLogin | None) -> Answer:
    if login is not None and not login.user:
        form = {**asked, "grant_type": "refresh_token", "client_id": "venvstacks", "refresh_token": login.secret}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return client.request("POST", realm, headers=headers, body=urlencode(form).encode(), again=True)
    headers = {"Authorization": login.header} if login else {}
    return client.request("GET", f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}", headers=headers)


def _kind(method: str) -> str:
    return "read" if method in _READING else "delete" if method == "DELETE" else "write"
