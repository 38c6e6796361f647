"""The clients of buckets: from an address and the environment to what reads and writes S3, GCS and Azure.

Credentials are found where the tools of each cloud look for them, by the client itself: the environment, the
metadata service of the machine, workload identities. They are never part of an address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from venvstacks.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

SCHEMES = ("s3", "gs", "az")
CONNECTING = timedelta(seconds=15)
SILENCE = timedelta(seconds=60)
"""Time without a byte after which a connection that is read from is given up."""
_READING = timedelta(days=2)  # the whole of one answer; those that are too slow are given up by their speed
_WRITING = timedelta(minutes=15)  # of one part
_RETRIES = 5
_RETRYING = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """Where a store in a bucket is.

    Attributes:
        scheme: ``s3``, ``gs`` or ``az``.
        bucket: Name of the bucket or container.
        prefix: What the names of all files begin with; empty for the whole bucket.
    """

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True, slots=True)
class BucketClient:
    """What speaks to one bucket.

    Attributes:
        address: Where it is.
        reads: Gives up when nothing arrives for a while.
        writes: Waits longer, since nothing arrives while a part is sent.
        versions: Whether versions tell states of a file apart, not ETags.
    """

    address: str
    reads: "ObjectStore"
    writes: "ObjectStore"
    versions: bool = False


def parse_bucket(address: str) -> BucketAddress:
    """Read the address of a bucket."""
    parts = urlsplit(address)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise StoreError(
            f"The address of a bucket has the form {parts.scheme}://BUCKET/PREFIX, without credentials.",
            hint="set the environment variables that the tools of the cloud use, as AWS_ACCESS_KEY_ID",
        )
    prefix = parts.path.strip("/")
    if parts.scheme not in SCHEMES or not parts.netloc or not _are_segments(prefix):
        raise StoreError(
            f"{address!r} is no address of a bucket.",
            hint="write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX",
        )
    return BucketAddress(parts.scheme, parts.netloc, prefix)


def make_client(address: BucketAddress, environ: Mapping[str, str]) -> BucketClient:
    """Return a client for a bucket; nothing is sent yet."""
    options = client_options(environ)
    reads: ClientConfig = {**options, "timeout": _READING, "read_timeout": SILENCE}
    writes: ClientConfig = {**options, "timeout": _WRITING}
    return BucketClient(
        str(address),
        _make_store(address, environ, reads),
        _make_store(address, environ, writes),
        versions=address.scheme == "gs",
    )


def client_options(environ: Mapping[str, str]) -> "ClientConfig":
    """Return what the environment says about connections, besides what the client reads from it by itself."""
    options: ClientConfig = {"connect_timeout": CONNECTING}
    for variable in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        if path := environ.get(variable):
            try:
                options["root_certificate"] = Path(path).read_bytes()
            except OSError as error:
                raise StoreError(
                    f"Cannot read {path}, which the environment variable {variable} names: {error.strerror}."
                ) from None
    return options


def _make_store(address: BucketAddress, environ: Mapping[str, str], options: "ClientConfig") -> "ObjectStore":
    from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - an extra

    prefix = address.prefix or None
    retries: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": _RETRYING}
    if address.scheme == "gs":
        return GCSStore(address.bucket, prefix=prefix, client_options=options, retry_config=retries)
    if address.scheme == "az":
        return AzureStore(address.bucket, prefix=prefix, client_options=options, retry_config=retries)
    config: S3Config = {"disable_bulk_delete": True}  # files are deleted one by one, which every server knows
    if endpoint := environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL"):
        config["endpoint"] = endpoint
        options["allow_http"] = endpoint.startswith("http://")
    return S3Store(address.bucket, prefix=prefix, config=config, client_options=options, retry_config=retries)


def _are_segments(prefix: str) -> bool:
    return not prefix or all(part not in ("", ".", "..") for part in prefix.split("/"))
