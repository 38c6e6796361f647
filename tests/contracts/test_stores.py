"""The suite of stores over a folder, and over a web server for it; other servers are in ``tests/servers``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.hostile_proxy import Trouble, hostile_proxy
from fakes.store_server import serve_folder
from fakes.store_suite import CHECKS, Check, StoreUnderTest, names_of_checks
from venvstacks.stores.folder import FolderStore
from venvstacks.stores.http_attempts import Patience
from venvstacks.stores.web import WebStore


@pytest.fixture(params=["folder", "web", "web without ranges", "web that breaks off"])
def under_test(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StoreUnderTest]:
    folder = tmp_path / "store"
    folder.mkdir()
    if request.param == "folder":
        yield StoreUnderTest(lambda: FolderStore(folder), tmp_path)
        return
    with serve_folder(folder) as server, hostile_proxy(server.url) as proxy:
        if request.param == "web without ranges":
            proxy.decide = lambda _: Trouble(whole=True)
        elif request.param == "web that breaks off":
            proxy.decide = lambda asked: Trouble(cut=130_000) if "blobs" in asked.path else None
        url = server.url if request.param == "web" else proxy.url
        yield StoreUnderTest(
            lambda: FolderStore(folder),
            tmp_path,
            lambda: WebStore(url, environ={}, patience=Patience(pause=0.001)),
        )


@pytest.mark.parametrize("check", CHECKS, ids=names_of_checks)
def test_store(check: Check, under_test: StoreUnderTest) -> None:
    check(under_test)
