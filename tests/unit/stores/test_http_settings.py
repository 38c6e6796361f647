"""What a machine says about proxies, certificates and logins."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fakes.certificates import make_certificate
from venvstacks.errors import StoreError
from venvstacks.stores import http_settings
from venvstacks.stores.http_logins import Login, login_in, login_of
from venvstacks.stores.http_settings import is_same_server, proxy_for, tls_context


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("https://h/", {}, None),
        ("https://h/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://h/", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://h/", {"https_proxy": "", "HTTPS_PROXY": "http://p:1"}, None),
        ("https://h/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://h/", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("http://h/", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("http://h/", {"http_proxy": "https://p:1", "REQUEST_METHOD": "GET"}, "https://p:1"),
        ("http://h/", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
    ],
)
def test_proxies(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(urlsplit(url), environ) == proxy


@pytest.mark.parametrize(
    ("host", "exceptions", "direct"),
    [
        ("a.example", "*", True),
        ("a.example", "a.example", True),
        ("a.example", "A.Example", True),
        ("a.example", "b.example, example", True),
        ("a.example", ".example", True),
        ("a.example", "*.example", True),
        ("aexample", "example", False),
        ("a.example", "a.example:443", True),
        ("a.example", "a.example:80", False),
        ("a.example", ",", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("[::1]", "::1", True),
        ("[::1]", "[::1]:443", True),
        ("[::1]", "[::1]:80", False),
        ("[::2]", "::/64", True),
    ],
)
def test_exceptions_from_proxies(host: str, exceptions: str, direct: bool) -> None:  # noqa: FBT001 - a parameter
    found = proxy_for(urlsplit(f"https://{host}/"), {"HTTPS_PROXY": "http://p:1", "NO_PROXY": exceptions})
    assert (found is None) == direct


@pytest.mark.parametrize("proxy", ["socks5://u:secret@p:1", "http://"])
def test_a_proxy_that_cannot_be_used_is_an_error(proxy: str) -> None:
    with pytest.raises(StoreError, match="is no proxy that can be used") as raised:
        proxy_for(urlsplit("https://h/"), {"HTTPS_PROXY": proxy})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "other", "same"),
    [
        ("https://h/a", "https://h/b", True),
        ("https://h/a", "https://H:443/b", True),
        ("https://h/a", "https://h:8443/b", False),
        ("https://h/a", "http://h/b", False),
        ("http://h/a", "https://h/b", True),
        ("http://h:81/a", "https://h/b", False),
        ("https://h/a", "https://h.other/b", False),
    ],
)
def test_the_same_server(url: str, other: str, same: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_same_server(url, other) == same


def test_a_login_in_an_address() -> None:
    login = login_in(urlsplit("https://na%40me:pa%3Ass@h/"))
    assert login == Login("na@me", "pa:ss")
    assert login.header == "Basic bmFAbWU6cGE6c3M="
    assert "pa" not in repr(login)
    assert login_in(urlsplit("https://h/")) is None


def test_a_login_in_a_netrc_file(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine h login name password pass\nmachine i login other password word\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert login_of("h", {"HOME": str(tmp_path)}) == Login("name", "pass")
    assert login_of("i", {"USERPROFILE": str(tmp_path)}) == Login("other", "word")
    assert login_of("j", {"HOME": str(tmp_path)}) is None
    assert login_of("h", {"HOME": str(tmp_path), "NETRC": str(tmp_path / "absent")}) is None
    assert login_of("h", {}) is None


def test_a_netrc_file_that_is_damaged_is_an_error_that_shows_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine h\nsecret\n")
    with pytest.raises(StoreError, match=r"Line \d+ of .*netrc cannot be understood") as raised:
        login_of("h", {"NETRC": str(tmp_path / "netrc")})
    assert "secret" not in str(raised.value)


class TestCertificates:
    def test_those_of_the_user(self, tmp_path: Path) -> None:
        certificate, key = make_certificate(tmp_path)
        both = tmp_path / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        context = tls_context({"SSL_CERT_FILE": str(certificate), "SSL_CLIENT_CERT": str(both)})
        assert [found["subject"] for found in context.get_ca_certs()] == [
            ((("commonName", "a server for tests"),),),
        ]
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert tls_context({"SSL_CERT_DIR": str(tmp_path)}).get_ca_certs() == []

    @pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CLIENT_CERT"])
    def test_a_file_that_cannot_be_used_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(StoreError) as raised:
            tls_context({name: str(tmp_path / "absent")})
        assert f"{name}={tmp_path / 'absent'}" in str(raised.value)

    def test_those_of_the_system_are_looked_for_where_distributions_have_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate, _ = make_certificate(tmp_path)
        monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
        monkeypatch.setattr(http_settings, "_BUNDLES", (str(tmp_path / "absent"), str(certificate)))
        assert len(tls_context({}).get_ca_certs()) == 1
