import base64
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fakes.registry_server import REFRESH, REPOSITORY, TOKEN, Registry, serve_registry
from venvstacks.errors import StoreError
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.registry import RegistryStore
from venvstacks.stores.registry_auth import Challenge, RegistryAuthorizer, parse_challenge
from venvstacks.stores.registry_names import parse_registry

NAME = "metadata/timestamp.json"
SECRET = "SECRET-EXAMPLE"  # noqa: S105 - an example
Opened = Callable[[Mapping[str, str]], RegistryStore]


@pytest.fixture
def server() -> Iterator[Registry]:
    with serve_registry() as registry:
        yield registry


@pytest.fixture
def opened(server: Registry) -> Iterator[Opened]:
    stores: list[RegistryStore] = []

    def opener(environ: Mapping[str, str]) -> RegistryStore:
        patience = Patience(attempts=2, pause=0.0)
        stores.append(RegistryStore(parse_registry(server.address), environ=environ, patience=patience))
        return stores[-1]

    yield opener
    for store in stores:
        store.close()


def login(folder: Path, server: Registry, **entry: str) -> dict[str, str]:
    """Log in at a registry as ``docker login`` does."""
    entry = entry or {"auth": base64.b64encode(server.login.encode()).decode()}
    (folder / "config.json").write_text(json.dumps({"auths": {server.host: entry}}), encoding="utf-8")
    return {"DOCKER_CONFIG": str(folder)}


class TestBasic:
    def test_a_name_and_a_password_are_sent_when_asked_for(
        self, opened: Opened, server: Registry, tmp_path: Path
    ) -> None:
        server.login = f"user:{SECRET}"
        store = opened(login(tmp_path, server))
        assert store.create(NAME, b"one")
        assert store.read(NAME, 10).data == b"one"
        assert server.asked.count(f"HEAD blobs/{next(iter(server.blobs))}") < 3  # asked for once only

    def test_a_wrong_password_is_an_error_that_shows_none(
        self, opened: Opened, server: Registry, tmp_path: Path
    ) -> None:
        server.login = "user:other"
        wrong = base64.b64encode(f"user:{SECRET}".encode()).decode()
        store = opened(login(tmp_path, server, auth=wrong))
        with pytest.raises(StoreError, match=r"answered 401 .*authentication required") as caught:
            store.read(NAME, 10)
        assert f"docker login {server.host}" in str(caught.value.hint)
        assert SECRET not in str(caught.value)

    def test_no_login_is_an_error(self, opened: Opened, server: Registry) -> None:
        server.login = f"user:{SECRET}"
        with pytest.raises(StoreError, match="answered 401"):
            opened({}).size(NAME)
        with pytest.raises(StoreError, match="answered 401"):
            list(opened({}).stream(f"blobs/sha256/ab/{'ab' * 32}"))


class TestTokens:
    def test_anybody_may_get_one_for_a_public_repository(self, opened: Opened, server: Registry) -> None:
        server.tokens = True
        store = opened({})
        assert store.create(NAME, b"one")
        store.delete(NAME)
        assert server.granted == [f"repository:{REPOSITORY}:{right}" for right in ("pull", "push", "delete")]

    def test_others_are_for_those_who_log_in(self, opened: Opened, server: Registry, tmp_path: Path) -> None:
        server.tokens = True
        server.login = f"user:{SECRET}"
        assert opened(login(tmp_path, server)).create(NAME, b"one")
        with pytest.raises(StoreError, match="does not accept the login for 127") as caught:
            opened({}).read(NAME, 10)
        assert f"docker login {server.host}" in str(caught.value.hint)

    def test_an_identity_token_gets_others(self, opened: Opened, server: Registry, tmp_path: Path) -> None:
        server.tokens = True
        assert opened(login(tmp_path, server, identitytoken=REFRESH)).create(NAME, b"one")
        with pytest.raises(StoreError, match="does not accept the login"):
            opened(login(tmp_path, server, identitytoken=SECRET)).create(NAME, b"one")

    def test_one_is_used_until_it_ends(
        self, opened: Opened, server: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.tokens = True
        store = opened({})
        store.size(NAME)
        store.size(NAME)
        assert len(server.granted) == 1
        monkeypatch.setattr("venvstacks.stores.registry_auth.time.monotonic", lambda: 1e12)
        store.size(NAME)
        assert len(server.granted) == 2

    @pytest.mark.parametrize(
        "answer", [b"SECRET", b'{"token": ""}', '{"token": "é"}'.encode(), b'{"token": "a\\nb"}']
    )
    def test_what_is_no_token_is_refused_and_not_shown(
        self, opened: Opened, server: Registry, answer: bytes
    ) -> None:
        server.tokens = True
        server.lies[json.dumps({"token": f"{TOKEN}-pull", "expires_in": 300}).encode()] = answer
        with pytest.raises(StoreError, match="gives no token for") as caught:
            opened({}).size(NAME)
        assert "SECRET" not in str(caught.value)

    def test_no_login_is_sent_where_others_can_read_it(self, tmp_path: Path) -> None:
        authorizer = RegistryAuthorizer("host", "https://host/v2", environ={"DOCKER_CONFIG": str(tmp_path)})
        asked = {"WWW-Authenticate": 'Bearer realm="http://tokens.example.invalid/?q=1",service="s"'}
        with pytest.raises(
            StoreError, match=r"sends logins to http://tokens.example.invalid/, which is not secure"
        ):
            authorizer.challenged("GET", "https://host/v2/p", asked)
        with pytest.raises(StoreError, match="which is not secure"):
            authorizer.challenged("GET", "https://host/v2/p", {"WWW-Authenticate": 'Bearer realm="file:///x"'})

    def test_tokens_are_forgotten_when_a_store_is_closed(self, server: Registry) -> None:
        authorizer = RegistryAuthorizer(server.host, server.url, environ={})
        asked = {"WWW-Authenticate": f'Bearer realm="{server.url}/token?x=y",scope="repository:p:pull"'}
        assert authorizer.challenged("GET", server.url, asked)
        assert authorizer.header("GET", server.url) == f"Bearer {TOKEN}-pull"
        assert authorizer.header("PUT", server.url) is None
        authorizer.close()
        assert authorizer.header("GET", server.url) is None


class TestChallenges:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('Basic realm="x"', Challenge("basic", "x", "", "")),
            ("basic", Challenge("basic", "", "", "")),
            (
                'Bearer realm="https://t.example.invalid/token",service="s",scope="repository:a/b:pull,push"',
                Challenge("bearer", "https://t.example.invalid/token", "s", "repository:a/b:pull,push"),
            ),
            ("Bearer realm=https://t/ , service = s", Challenge("bearer", "https://t/", "s", "")),
            ("Bearer service=s", None),
            ("Negotiate", None),
            ("", None),
        ],
    )  # fmt: skip
    def test_a_challenge_is_read(self, text: str, expected: Challenge | None) -> None:
        assert parse_challenge(text) == expected

    def test_what_is_not_known_is_not_answered(self) -> None:
        authorizer = RegistryAuthorizer("host", "https://host/v2", environ={})
        assert not authorizer.challenged("GET", "https://host/v2/p", {"WWW-Authenticate": "Negotiate"})
