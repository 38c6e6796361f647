"""Logins for registries, from where ``docker login`` and ``skopeo login`` keep them: files, and helpers."""

import base64
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from venvstacks import processes
from venvstacks.documents import DocumentError, parse_json, read_json
from venvstacks.errors import StoreError

_HELPER_PATIENCE = 120.0  # a helper may ask the user
_TOKEN_USER = "<token>"  # noqa: S105 - how helpers say that the secret is a token
_HUB = "index.docker.io"
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """What is known for a registry.

    Attributes:
        user: Name of the user; empty for a token.
        secret: Password, or token that others are got with; not shown.
    """

    user: str
    secret: str

    def __repr__(self) -> str:
        return f"RegistryLogin(user={self.user!r})"

    @property
    def header(self) -> str:
        """What a request says in ``Authorization``."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


class _Login(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _Config(msgspec.Struct, rename="camel"):
    auths: dict[str, _Login] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class _Helped(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


def find_login(host: str, environ: Mapping[str, str]) -> RegistryLogin | None:
    """Return the login for a registry; None if it is to be used without one.

    Args:
        host: Host, with a port if the address has one.
        environ: Tells where the files are: REGISTRY_AUTH_FILE, DOCKER_CONFIG, and the user's home folder.

    Raises:
        StoreError: A file or helper cannot be used. What is in it is not shown.
    """
    for path in _config_files(environ):
        config = _read(path)
        if config is None:
            continue
        helper = next((config.cred_helpers[key] for key in _keys(host) if key in config.cred_helpers), "")
        if login := _ask_helpers(helper or config.creds_store, host, environ):
            return login
        for key in _keys(host):
            if key in config.auths and (login := _stored(config.auths[key], path)):
                return login
    return None


def _config_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if file := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(file)
    if folder := environ.get("DOCKER_CONFIG"):
        yield Path(folder, "config.json")
    elif home := environ.get("HOME") or environ.get("USERPROFILE"):
        yield Path(home, ".docker", "config.json")
    if folder := environ.get("XDG_RUNTIME_DIR"):
        yield Path(folder, "containers", "auth.json")


def _read(path: Path) -> _Config | None:
    try:
        return read_json(path, _Config)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"Cannot read {path}, where logins for registries are: {error.strerror}.") from None
    except DocumentError:  # whose text may contain what is in the file
        raise StoreError(
            f"{path}, where logins for registries are, is damaged.", hint="correct or remove it, and log in again"
        ) from None


def _keys(host: str) -> Iterator[str]:
    """Return what a registry may be called in such files."""
    for name in (host, "docker.io") if host == _HUB else (host,):
        yield name
        for scheme in ("https", "http"):
            yield f"{scheme}://{name}"
            yield from (f"{scheme}://{name}{path}" for path in ("/", "/v1/", "/v2/", "/v1", "/v2"))


def _stored(login: _Login, path: Path) -> RegistryLogin | None:
    if login.identitytoken:
        return RegistryLogin("", login.identitytoken)
    if login.username:
        return RegistryLogin(login.username, login.password)
    if not login.auth:
        return None
    try:
        user, separator, password = base64.b64decode(login.auth, validate=True).decode().partition(":")
    except ValueError:
        separator = user = password = ""
    if not separator:
        raise StoreError(f"A login in {path} is damaged.", hint="log in again (docker login, skopeo login)")
    return RegistryLogin(user, password.rstrip("\0"))


def _ask_helpers(name: str, host: str, environ: Mapping[str, str]) -> RegistryLogin | None:
    if not name:
        return None
    servers = (f"https://{_HUB}/v1/",) if host == _HUB else (host, f"https://{host}")
    return next((login for server in servers if (login := _ask_helper(name, server, environ))), None)


def _ask_helper(name: str, server: str, environ: Mapping[str, str]) -> RegistryLogin | None:
    """Ask a helper of Docker for a login."""
    program = f"docker-credential-{name}"
    found = shutil.which(program, path=environ.get("PATH", os.defpath))
    if os.path.basename(name) != name or not found:  # noqa: PTH119 - a word, not a path
        raise StoreError(
            f"Docker's configuration names {program} for the login at {server}, which is not installed.",
            hint="install it, or log in again without it",
        )
    try:
        done = processes.ask([found, "get"], server, env=environ, patience=_HELPER_PATIENCE)
    except TimeoutError:
        raise StoreError(f"{program} did not tell the login at {server} in time.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{program} cannot be used: {type(error).__name__}.") from None
    if done.returncode != 0 and _NOT_FOUND in done.stdout + done.stderr:
        return None
    try:
        if done.returncode == 0:
            helped = parse_json(done.stdout, _Helped)
            return RegistryLogin("" if helped.username == _TOKEN_USER else helped.username, helped.secret)
    except DocumentError:
        pass  # its text may contain the secret
    raise StoreError(
        f"{program} does not tell the login at {server} (exit code {done.returncode}).",
        hint=f"try it: echo {server} | {program} get",
    )
