import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from venvstacks.errors import StoreError
from venvstacks.stores import docker_config
from venvstacks.stores.docker_config import RegistryLogin, find_login

HOST = "registry.example.invalid:5000"
AUTH = base64.b64encode(b"user:SECRET:1").decode()
LOGIN = RegistryLogin("user", "SECRET:1")


def environ(folder: Path, config: Any) -> dict[str, str]:
    (folder / "config.json").write_text(
        config if isinstance(config, str) else json.dumps(config), encoding="utf-8"
    )
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}{os.pathsep}{os.defpath}"}


def helper(folder: Path, name: str, code: str) -> None:
    """Install a helper that runs Python code, with what it is asked as ``asked``."""
    program = folder / f"docker-credential-{name}"
    script = f"import json, sys\nasked = sys.stdin.read()\nassert sys.argv[1:] == ['get']\n{code}\n"
    program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    program.chmod(0o755)
    if os.name == "nt":
        program.with_suffix(".cmd").write_text(f'@"{sys.executable}" "{program}" %*\n', encoding="utf-8")


class TestFiles:
    @pytest.mark.parametrize(
        "key", [HOST, f"https://{HOST}", f"https://{HOST}/v1/", f"http://{HOST}", f"https://{HOST}/v2/"]
    )
    def test_a_login_is_found_under_what_a_registry_may_be_called(self, tmp_path: Path, key: str) -> None:
        assert find_login(HOST, environ(tmp_path, {"auths": {key: {"auth": AUTH}}})) == LOGIN

    def test_one_for_another_registry_is_not_used(self, tmp_path: Path) -> None:
        for key in ("registry.example.invalid", "other.example.invalid:5000", f"evil.{HOST}"):
            assert find_login(HOST, environ(tmp_path, {"auths": {key: {"auth": AUTH}}})) is None

    @pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io"])
    def test_docker_hub_has_names_of_its_own(self, tmp_path: Path, key: str) -> None:
        assert find_login("index.docker.io", environ(tmp_path, {"auths": {key: {"auth": AUTH}}})) == LOGIN

    @pytest.mark.parametrize(
        ("entry", "expected"),
        [
            ({"username": "user", "password": "SECRET:1"}, LOGIN),
            ({"identitytoken": "TOKEN", "auth": AUTH}, RegistryLogin("", "TOKEN")),
            ({}, None),
        ],
    )
    def test_a_login_has_several_forms(
        self, tmp_path: Path, entry: dict[str, str], expected: RegistryLogin | None
    ) -> None:
        assert find_login(HOST, environ(tmp_path, {"auths": {HOST: entry}})) == expected

    def test_files_are_where_docker_podman_and_skopeo_keep_them(self, tmp_path: Path) -> None:
        text = json.dumps({"auths": {HOST: {"auth": AUTH}}})
        for number, path in enumerate((".docker/config.json", "containers/auth.json", "auth.json")):
            folder = tmp_path / str(number)
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_text(text, encoding="utf-8")
            variable = ("HOME", "XDG_RUNTIME_DIR", "REGISTRY_AUTH_FILE")[number]
            value = folder / path if variable == "REGISTRY_AUTH_FILE" else folder
            assert find_login(HOST, {variable: str(value)}) == LOGIN
        assert find_login(HOST, {}) is None
        assert find_login(HOST, {"HOME": str(tmp_path)}) is None

    @pytest.mark.parametrize("text", ['{"auths": {"SECRET": 1}}', "SECRET", '{"auths": ["SECRET"]}'])
    def test_a_damaged_file_is_named_and_not_shown(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(StoreError, match=r"config.json, where logins .* is damaged") as caught:
            find_login(HOST, environ(tmp_path, text))
        assert "SECRET" not in str(caught.value)

    @pytest.mark.parametrize(
        "auth", ["*", base64.b64encode(b"SECRET").decode(), base64.b64encode(b"\xff:").decode()]
    )
    def test_a_damaged_login_is_named_and_not_shown(self, tmp_path: Path, auth: str) -> None:
        with pytest.raises(StoreError, match=r"A login in .*config.json is damaged") as caught:
            find_login(HOST, environ(tmp_path, {"auths": {HOST: {"auth": auth}}}))
        assert "SECRET" not in str(caught.value)

    def test_a_file_that_cannot_be_read_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").mkdir()
        with pytest.raises(StoreError, match=r"Cannot read .*config.json, where logins"):
            find_login(HOST, {"DOCKER_CONFIG": str(tmp_path)})

    def test_a_login_does_not_show_its_secret(self) -> None:
        assert "SECRET" not in repr(LOGIN)


class TestHelpers:
    ANSWER = 'print(json.dumps({"Username": "user", "Secret": "SECRET:1"}))'
    CODE = f'assert asked == "{HOST}"\n{ANSWER}'

    @pytest.mark.parametrize("config", [{"credHelpers": {HOST: "example"}}, {"credsStore": "example"}])
    def test_a_helper_is_asked(self, tmp_path: Path, config: dict[str, Any]) -> None:
        helper(tmp_path, "example", self.CODE)
        assert find_login(HOST, environ(tmp_path, config)) == LOGIN

    def test_a_helper_for_a_registry_goes_before_the_one_for_all(self, tmp_path: Path) -> None:
        helper(tmp_path, "example", self.CODE)
        config = {"credHelpers": {HOST: "example"}, "credsStore": "missing"}
        assert find_login(HOST, environ(tmp_path, config)) == LOGIN

    def test_a_helper_may_tell_a_token(self, tmp_path: Path) -> None:
        helper(tmp_path, "example", 'print(json.dumps({"Username": "<token>", "Secret": "TOKEN"}))')
        assert find_login(HOST, environ(tmp_path, {"credsStore": "example"})) == RegistryLogin("", "TOKEN")

    def test_docker_hub_is_asked_for_by_the_name_it_is_stored_under(self, tmp_path: Path) -> None:
        helper(tmp_path, "example", f'assert asked == "https://index.docker.io/v1/"\n{self.ANSWER}')
        assert find_login("index.docker.io", environ(tmp_path, {"credsStore": "example"})) == LOGIN

    def test_a_helper_that_knows_no_login_leaves_those_in_the_file(self, tmp_path: Path) -> None:
        helper(tmp_path, "example", 'print("credentials not found in native keychain")\nsys.exit(1)')
        assert find_login(HOST, environ(tmp_path, {"credsStore": "example"})) is None
        config = {"credsStore": "example", "auths": {HOST: {"auth": AUTH}}}
        assert find_login(HOST, environ(tmp_path, config)) == LOGIN

    @pytest.mark.parametrize(
        "code", ['print("SECRET")', 'print("SECRET")\nsys.exit(3)', 'print(json.dumps("SECRET"))']
    )
    def test_a_helper_that_fails_is_named_and_its_output_not_shown(self, tmp_path: Path, code: str) -> None:
        helper(tmp_path, "example", code)
        with pytest.raises(StoreError, match="docker-credential-example does not tell the login") as caught:
            find_login(HOST, environ(tmp_path, {"credsStore": "example"}))
        assert "SECRET" not in str(caught.value)

    @pytest.mark.parametrize("name", ["missing", "../example", "x/y"])
    def test_a_helper_that_is_not_installed_is_an_error(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(StoreError, match=f"docker-credential-{name} for the login .* is not installed"):
            find_login(HOST, environ(tmp_path, {"credsStore": name}))

    def test_a_helper_that_cannot_be_run_is_an_error(self, tmp_path: Path) -> None:
        helper(tmp_path, "example", "")
        (tmp_path / "docker-credential-example").write_text("#!/no/such/program\n", encoding="utf-8")
        with pytest.raises(StoreError, match="docker-credential-example cannot be used"):
            find_login(HOST, environ(tmp_path, {"credsStore": "example"}))

    def test_a_helper_that_never_answers_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(docker_config, "_HELPER_PATIENCE", 0.0)
        helper(tmp_path, "example", "import time; time.sleep(60)")
        with pytest.raises(StoreError, match=r"did not tell the login .* in time"):
            find_login(HOST, environ(tmp_path, {"credsStore": "example"}))
