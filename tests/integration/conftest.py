"""What these tests share: uv with nothing but tiny wheels in a local folder, and servers that do not answer."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.indexes import StallingIndex
from fakes.locking import Locker, plain_environment


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def lock(cache: Path, wheels: Path) -> Locker:
    return Locker(plain_environment(cache), (wheels,))


@pytest.fixture
def stalling() -> Iterator[StallingIndex]:
    """Return an index that takes requests and never answers."""
    with StallingIndex() as index:
        yield index


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return the address of a server that is not there: its port is taken, so that no other process gets it."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{port.getsockname()[1]}"
