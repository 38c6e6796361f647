"""Logins at servers: a name and a password, from an address or the user's netrc file."""

import base64
import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote

from venvstacks.errors import StoreError


@dataclass(frozen=True, slots=True)
class Login:
    """A user's name and password for a server.

    Attributes:
        user: Name of the user.
        password: Is not shown with the others.
    """

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"

    @property
    def header(self) -> str:
        """What a request says in ``Authorization``."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Authorizer(Protocol):
    """Knows logins; it is asked for requests to the store's own server only."""

    def header(self, method: str, url: str) -> str | None:
        """Return the value of ``Authorization`` for a request, if it needs one."""
        ...

    def challenged(self, method: str, url: str, headers: Mapping[str, str]) -> bool:
        """Learn what a server that answers 401 asks for, and return whether to try again."""
        ...


@dataclass(frozen=True, slots=True)
class BasicAuthorizer:
    """Sends a name and a password with every request."""

    login: Login

    def header(self, method: str, url: str) -> str | None:  # noqa: ARG002 - the same for all
        """Return the login."""
        return self.login.header

    def challenged(self, method: str, url: str, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Give up: there is no other login."""
        return False


def login_in(parts: SplitResult) -> Login | None:
    """Return the name and the password in an address."""
    if not parts.username and not parts.password:
        return None
    return Login(unquote(parts.username or ""), unquote(parts.password or ""))


def login_of(host: str, environ: Mapping[str, str]) -> Login | None:
    """Return the name and the password for a host in the user's netrc file (``NETRC``, or in the home folder).

    Raises:
        StoreError: That file is damaged; what is in it is not shown.
    """
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or os.devnull)
    named = environ.get("NETRC")
    for path in [Path(named)] if named else [home / ".netrc", home / "_netrc"]:
        try:
            found = netrc.netrc(path).authenticators(host)
        except netrc.NetrcParseError as error:
            raise StoreError(
                f"Line {error.lineno} of {path} cannot be understood.",
                hint="correct it, or name another file in NETRC",
            ) from None
        except (OSError, UnicodeDecodeError):
            continue
        return Login(found[0], found[2]) if found else None
    return None
