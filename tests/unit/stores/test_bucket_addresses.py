from pathlib import Path

import pytest

from fakes.s3_server import serve_bucket
from venvstacks.errors import NotInStoreError, StoreError
from venvstacks.stores import bucket_clients
from venvstacks.stores.bucket import open_bucket
from venvstacks.stores.bucket_clients import BucketAddress, client_options, parse_bucket
from venvstacks.stores.bucket_errors import explain

SECRETS = ("SKEXAMPLESECRET", "AKEXAMPLEKEY", "SIGNATURE")
SIGNED = "https://h.example.invalid/b?sig=SIGNATURE"


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("s3://bucket", BucketAddress("s3", "bucket", "")),
            ("s3://bucket/", BucketAddress("s3", "bucket", "")),
            ("gs://bucket/of/products/", BucketAddress("gs", "bucket", "of/products")),
            ("az://container/p", BucketAddress("az", "container", "p")),
        ],
    )
    def test_an_address_names_a_bucket_and_a_prefix(self, address: str, expected: BucketAddress) -> None:
        assert parse_bucket(address) == expected
        assert str(expected) == address.rstrip("/")

    @pytest.mark.parametrize(
        "address", ["s3://", "s3:///p", "ftp://bucket", "s3://bucket/a//b", "s3://bucket/../b"]
    )
    def test_anything_else_is_refused(self, address: str) -> None:
        with pytest.raises(StoreError, match="is no address of a bucket"):
            parse_bucket(address)

    @pytest.mark.parametrize(
        "address", ["s3://user:SECRET@bucket", "az://container?sig=SECRET", "s3://bucket#SECRET"]
    )
    def test_credentials_in_an_address_are_refused_and_not_shown(self, address: str) -> None:
        with pytest.raises(StoreError, match="without credentials") as caught:
            parse_bucket(address)
        assert "SECRET" not in str(caught.value)


class TestClients:
    @pytest.mark.parametrize("address", ["s3://bucket", "gs://bucket/p", "s3://bucket/p"])
    def test_nothing_is_sent_when_a_bucket_is_opened(self, address: str) -> None:
        store = open_bucket(address, {})
        assert store.address == address
        assert store.traffic.requests == 0

    def test_azure_needs_an_account(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(StoreError, match="the storage account is not known") as caught:
            open_bucket("az://container", {})
        assert "AZURE_STORAGE_ACCOUNT_NAME" in str(caught.value.hint)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
        assert open_bucket("az://container/p", {}).address == "az://container/p"

    def test_more_certificates_come_from_the_environment(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_bytes(b"certificates")
        assert client_options({"AWS_CA_BUNDLE": str(tmp_path / "ca.pem")})["root_certificate"] == b"certificates"
        with pytest.raises(
            StoreError, match=r"Cannot read .*missing.pem, which the environment variable SSL_CERT"
        ):
            client_options({"SSL_CERT_FILE": str(tmp_path / "missing.pem")})


class TestErrors:
    def test_no_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bucket_clients, "_RETRIES", 0)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKEXAMPLEKEY")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SKEXAMPLESECRET")
        store = open_bucket("s3://bucket/p", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
        for act in (
            lambda: store.read("file", 1),
            lambda: store.size("file"),
            lambda: list(store.stream("file", 0, 1)),
            lambda: list(store.names("")),
            lambda: store.create("file", b""),
            lambda: store.delete("file"),
        ):
            with pytest.raises(StoreError, match=r"Cannot \w+ .*s3://bucket/p: there is no connection") as caught:
                act()
            assert "AWS_ENDPOINT_URL" in str(caught.value.hint)
            assert not any(secret in str(caught.value) for secret in SECRETS)

    def test_no_bucket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serve_bucket() as server:
            for name, value in server.environ().items():
                monkeypatch.setenv(name, value)
            store = open_bucket("s3://other/p", server.environ())
            for act in (lambda: store.read("file", 1), lambda: list(store.names(""))):
                with pytest.raises(StoreError, match="there is no such bucket") as caught:
                    act()
                assert not isinstance(caught.value, NotInStoreError)

    def test_a_server_that_fails_is_named_with_its_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bucket_clients, "_RETRIES", 0)
        with serve_bucket() as server:
            for name, value in server.environ().items():
                monkeypatch.setenv(name, value)
            server.status = 503
            store = open_bucket("s3://bucket", server.environ())
            with pytest.raises(StoreError, match=r"the server answered 503 \(SlowDown: Please reduce") as caught:
                store.read("file", 1)
            assert "run the command again" in str(caught.value.hint)

    def test_credentials_that_are_refused(self) -> None:
        error = PermissionError(
            "The operation lacked the necessary privileges for path x: Error performing PUT"
            " https://bucket.example.invalid/x?sig=SIGNATURE in 1ms - Server returned non-2xx status code: 403"
            " Forbidden: <Error><Code>SignatureDoesNotMatch</Code><Message>They differ.</Message>"
            "<AWSAccessKeyId>AKEXAMPLEKEY</AWSAccessKeyId></Error>\n\nDebug source:\nSKEXAMPLESECRET"
        )
        explained = explain(error, "write", "x", "s3://bucket")
        assert explained.message == (
            "Cannot write 'x' of s3://bucket: the server answered 403 (SignatureDoesNotMatch: They differ)."
        )
        assert "s3:PutObject" in str(explained.hint)
        assert not any(secret in str(explained) for secret in SECRETS)
        assert "AZURE" in str(explain(error, "read", "x", "az://container").hint)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                "Error performing PUT http://169.254.169.254/latest/api/token in 5ms",
                "no credentials were found",
            ),
            (f"Error performing GET {SIGNED} - HTTP error: request timed out", "s3://bucket: request timed out."),
            (f"Odd {SIGNED}", "Cannot read 'x' of s3://bucket: Odd (an address)."),
            ("", "Cannot read 'x' of s3://bucket: its answer cannot be used."),
        ],
    )
    def test_other_failures_are_told_without_addresses(self, text: str, expected: str) -> None:
        explained = explain(ValueError(text), "read", "x", "s3://bucket")
        assert expected in explained.message
        assert not any(secret in str(explained) for secret in SECRETS)
