"""Foreign interpreters for tests. ``python3 dev.py test-targets`` installs the emulators that they need."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from fakes.pythons import write_list
from targets.aarch64 import Aarch64, prepare_aarch64
from targets.foreign import Run
from targets.preparing import PreparationError
from targets.windows import Windows, prepare_windows

Prepared = TypeVar("Prepared")


@pytest.fixture(scope="session")
def aarch64() -> Aarch64:
    """CPython 3.11.2 for linux_aarch64, with qemu."""
    return _prepared(prepare_aarch64)


@pytest.fixture(scope="session")
def windows() -> Windows:
    """CPython 3.13.2 for win_amd64, with wine."""
    return _prepared(prepare_windows)


@pytest.fixture(scope="session")
def run_aarch64(aarch64: Aarch64) -> Run:
    """Runs an interpreter for linux_aarch64: see ``Run``."""
    return aarch64.run


@pytest.fixture(scope="session")
def run_windows(windows: Windows) -> Run:
    """Runs an interpreter for win_amd64: see ``Run``."""
    return windows.run


@pytest.fixture(scope="session")
def downloads_list(aarch64: Aarch64, windows: Windows, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of uv's list with all foreign Pythons, for ``python-downloads-json-url``."""
    return write_list(tmp_path_factory.mktemp("downloads") / "pythons.json", [aarch64.download, windows.download])


def _prepared(prepare: Callable[[], Prepared]) -> Prepared:
    try:
        return prepare()
    except PreparationError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)  # out here, without a trace of how it was found out
