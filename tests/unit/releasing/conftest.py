from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from fakes.pushing import Publisher


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def publisher(store: MemoryStore, tmp_path: Path) -> Publisher:
    return Publisher(store, tmp_path / "keys")
