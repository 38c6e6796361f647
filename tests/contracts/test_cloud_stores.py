"""The suite of stores over small servers for buckets and registries; real ones are in ``tests/servers``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.registry_server import serve_registry
from fakes.s3_server import serve_bucket
from fakes.store_suite import CHECKS, Check, StoreUnderTest, names_of_checks
from venvstacks.stores.addresses import open_writable


@pytest.fixture(params=["S3", "S3 without conditions and ranges", "registry", "registry with tokens"])
def under_test(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoreUnderTest]:
    is_careful = "without" not in request.param
    if request.param.startswith("S3"):
        with serve_bucket() as bucket:
            bucket.conditions, bucket.ranges = "kept" if is_careful else "ignored", is_careful
            for name, value in bucket.environ().items():
                monkeypatch.setenv(name, value)
            yield StoreUnderTest(
                lambda: open_writable("s3://bucket/of/products"), tmp_path, keeps_conditions=is_careful
            )
        return
    with serve_registry() as registry:
        registry.tokens = "tokens" in request.param
        yield StoreUnderTest(lambda: open_writable(registry.address, environ={}), tmp_path, keeps_conditions=False)


@pytest.mark.parametrize("check", CHECKS, ids=names_of_checks)
def test_store(check: Check, under_test: StoreUnderTest) -> None:
    check(under_test)
