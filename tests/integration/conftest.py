"""What tests of locking share: uv with nothing but tiny wheels in a local folder."""

from pathlib import Path

import pytest

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
