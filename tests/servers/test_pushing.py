"""Releases in buckets of moto and rclone, and in docker-registry."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.cloud_servers import BUCKET, credentials, serve_docker_registry, serve_moto, serve_rclone
from fakes.store_life import live
from venvstacks.releasing import push_run
from venvstacks.stores.addresses import open_writable
from venvstacks.stores.interface import WritableStore

Open = Callable[[], WritableStore]
BUCKETS = {"moto": serve_moto, "rclone": serve_rclone}


@pytest.fixture(params=[*BUCKETS, "docker-registry"])
def open_it(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    folder = tmp_path / "server"
    folder.mkdir()
    if request.param in BUCKETS:
        with BUCKETS[request.param](folder) as url:
            for name, value in credentials(url).items():
                monkeypatch.setenv(name, value)
            yield lambda: open_writable(f"s3://{BUCKET}/of/products")
    else:
        with serve_docker_registry(folder) as host:
            yield lambda: open_writable(f"oci+http://{host}/of/products", environ={})


def test_life_of_a_store(open_it: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_run, "settle", lambda: None)
    live(open_it, tmp_path)
