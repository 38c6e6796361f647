"""Releases in every kind of store, over small servers; real ones are in ``tests/servers``."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from fakes.registry_server import REPOSITORY, serve_registry
from fakes.s3_server import serve_bucket
from fakes.store_life import live
from venvstacks.releasing import push_run
from venvstacks.stores.addresses import open_writable
from venvstacks.stores.interface import WritableStore

Open = Callable[[], WritableStore]


@pytest.fixture(params=["memory", "folder", "S3", "S3 without conditions", "registry"])
def open_it(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setattr(push_run, "settle", lambda: None)
    if request.param == "memory":
        store = MemoryStore()
        yield lambda: store
    elif request.param == "folder":
        yield lambda: open_writable(str(tmp_path / "store"))
    elif request.param == "registry":
        with serve_registry() as registry:
            host = registry.url.removeprefix("http://")
            yield lambda: open_writable(f"oci+http://{host}/{REPOSITORY}", environ={})
    else:
        with serve_bucket() as bucket:
            is_careful = "without" not in request.param
            bucket.conditions, bucket.ranges = "kept" if is_careful else "ignored", is_careful
            for name, value in bucket.environ().items():
                monkeypatch.setenv(name, value)
            yield lambda: open_writable("s3://bucket/of/products")


def test_life_of_a_store(open_it: Open, tmp_path: Path) -> None:
    live(open_it, tmp_path)
